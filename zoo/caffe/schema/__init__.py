"""Our .proto of the Caffe wire format and the module generated from it (`make schema`)."""
