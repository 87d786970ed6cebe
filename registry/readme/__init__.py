"""Reading the readmes of Caffe models as they are, and changing a value of one in its place."""
