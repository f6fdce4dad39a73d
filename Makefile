# make demo: install and train a spiking network. make test: install and run every test.
PYTHON ?= python3
VENV ?= .venv

.PHONY: install demo test

install: $(VENV)/installed

demo: install
	$(VENV)/bin/plastic simulate --rule clapp --backend snntorch

test: $(VENV)/installed-test
	$(VENV)/bin/python -m pytest -n auto --dist worksteal

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet -c constraints.txt -e .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(VENV)/bin/python -m pip install --quiet -c constraints.txt -e ".[test]"
	$(VENV)/bin/python -m pip install --quiet --no-deps --ignore-requires-python lava-nc==0.10.0
	$(VENV)/bin/python -m pip install --quiet --no-deps -c constraints.txt tonic
	touch $@
