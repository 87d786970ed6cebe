"""Keras layers for what Caffe does and Keras does not, registered for saving."""
