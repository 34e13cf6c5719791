# Jiahe: make setup, then make demo or make test. Each target does what it needs first.
VENV := .venv
PY   := $(VENV)/bin/python
# Most tests wait for time-outs and other processes: three files at once, on two cores as well. Of four,
# some starved the machines that others simulate.
SIDE_BY_SIDE := -n 3 --dist loadfile --no-loadscope-reorder
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup demo test sanitized hw hw-short bench lint reliability deb bundle lock proto clean help

help:            ## this list ## 命令列表
	@case "$${JIAHE_LANG:-$${LC_ALL:-$${LC_MESSAGES:-$$LANG}}}" in zh*) text=3 ;; *) text=2 ;; esac; \
	  awk -F ' *## *' -v text=$$text \
	    '/^[a-z-]+:.*##/ { sub(/:.*/, "", $$1); printf "%-14s%s\n", $$1, $$text }' Makefile

setup:           ## system packages that are missing, .venv, native build ## 缺少的系统软件包、.venv、编译
	@scripts/setup $(if $(filter setup,$(MAKECMDGOALS)),--hint)

demo: setup      ## three machines, an outage, a SIGKILL, the ledger: under a minute ## 三台设备、一次断网、一次强杀，最后对账：一分钟之内
	@$(PY) -m demo

test: setup      ## lint and every test ## 代码检查和全部测试
	@scripts/setup --tests
	@$(MAKE) --no-print-directory lint
	@$(PY) -m pytest $(SIDE_BY_SIDE)

sanitized: setup ## the native floor under sanitizers, and guided fuzzers ## 用内存检查器和引导式模糊测试检查编译部分
	@scripts/setup --sanitized
	@$(PY) -m tests.sanitized --seconds $${SECONDS_EACH:-20}

hw-short: setup  ## an emulated ARM box: boot, install, replug, power cut, upgrade ## 模拟的 ARM 网关：开机、安装、拔插、断电、升级
	@scripts/setup --box
	@$(PY) -m pytest hw_tests/rows -m short --durations 0 --durations-min 1

hw: setup        ## every fault on the emulated ARM box, into docs/reliability.md ## 模拟的 ARM 网关上的全部故障，写入 docs/reliability.md
	@scripts/setup --box
	@rm -f build/hw/rows.json
	@$(PY) -m pytest hw_tests/rows
	@$(PY) -m hw_tests.report
	@JIAHE_ARCH=armhf $(PY) -m pytest tests/package

bench: setup     ## ratios against peers, into bench/results/latest.json ## 与同类软件比较，写入 bench/results/latest.json
	@scripts/setup --tests
	@$(PY) -m bench

lint: setup      ## ruff, mypy --strict, cython-lint, codespell ## ruff、mypy --strict、cython-lint、codespell
	@scripts/lint

reliability: setup ## the long fault, fuzz and simulation runs ## 长时间的故障、模糊和仿真测试
	@scripts/setup --tests
	@JIAHE_LONG=1 SEEDS=$${SEEDS:-10000} $(PY) -m pytest tests/fault tests/fuzz tests/sim tests/stories
	@scripts/setup --sanitized
	@$(PY) -m tests.sanitized --seconds $${SECONDS_EACH:-600}

deb: setup       ## Debian packages for boxes, into dist/; ARCH="arm64" one of them ## 网关的 Debian 软件包，在 dist/；ARCH="arm64" 只要一种
	@scripts/setup --package $(ARCH)
	@$(PY) -m package $(addprefix --arch ,$(ARCH)) $(addprefix --suite ,$(SUITE))

bundle: setup    ## the offline bundle, signed by KEY=FILE of ssh-keygen ## 离线安装包，由 KEY=FILE 签名
	@scripts/setup --package $(ARCH)
	@$(PY) -m package --bundle --package jiahe $(addprefix --arch ,$(ARCH)) $(addprefix --suite ,$(SUITE)) \
	  $(addprefix --key ,$(KEY))

proto: setup     ## regenerate proto/gen from proto/ ## 由 proto/ 重新生成 proto/gen
	@scripts/proto

lock:            ## rewrite the lock files from requirements*.in ## 由 requirements*.in 重写锁定文件
	@compile="$(VENV)/bin/pip-compile -q --no-header --strip-extras --generate-hashes --allow-unsafe \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host"; \
	$$compile requirements-dev.in -o requirements-dev.lock; \
	for f in requirements requirements-ingest; do \
	  $$compile -c requirements-dev.lock $$f.in -o $$f.lock; done

clean:           ## everything that was built ## 删除编译出的一切
	rm -rf $(VENV) build dist *.egg-info .build.log .setup-stamp node_modules
	find native drivers \( -name '*.so' -o -name '*.c' -o -name '*.html' \) -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
