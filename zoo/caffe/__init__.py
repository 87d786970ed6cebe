"""Caffe's formats, files to messages and arrays and back. Knows no Net and no Keras."""
