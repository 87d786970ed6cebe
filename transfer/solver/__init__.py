"""The parts of Caffe's training; `zoo.transfer.caffe_training` puts them together."""
