# `make demo` and `make test` need Python 3.11 and make; everything else they set up in .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: demo test test-all lint types wheel bench schema lock clean

demo: $(READY)
	@sh examples/demo.sh $(BIN)/zoo build/demo/five_to_nine

test: $(READY)
	$(BIN)/python -m pytest -q -n auto

test-all: $(READY)
	$(BIN)/python -m pytest -q -n auto -m ""

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy does not follow the map from folders to zoo.*, so it sees a copy laid out as installed.
types: $(READY)
	@rm -rf build/types && mkdir -p build/types
	@cp -r zoo pyproject.toml build/types/
	@for part in registry transfer surgery cli; do cp -r $$part build/types/zoo/$$part; done
	cd build/types && ../../$(BIN)/mypy -p zoo

wheel: $(READY)
	@rm -rf dist
	$(BIN)/python -m build --wheel --outdir dist .

bench: $(READY)
	$(BIN)/python -m benchmarks.run

# The generated module must load with the oldest protobuf that pyproject.toml allows.
schema:
	$(PYTHON) -m venv build/protoc
	build/protoc/bin/pip install -q 'grpcio-tools==1.75.1' 'setuptools<81'
	build/protoc/bin/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. zoo/caffe/schema/caffe.proto

# constraints.txt names the versions that a set-up uses; this takes the newest that fit.
lock:
	$(PYTHON) -m venv build/lock
	build/lock/bin/pip install -q '.[dev]'
	build/lock/bin/pip freeze --exclude model-zoo-kit > constraints.txt

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Set PYTHON=..."; exit 2; }
	@echo "setting up $(VENV) (once; TensorFlow is large)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
