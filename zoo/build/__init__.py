"""From a Net to a keras.Model."""
