"""How fast zoo is, beside OpenCV's importer of Caffe models and ONNX Runtime."""
