"""Finding, fetching and keeping models: knows files and addresses, never nets or Keras."""
