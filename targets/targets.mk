# How the programs to be traced are built.

.PHONY: targets
targets:
