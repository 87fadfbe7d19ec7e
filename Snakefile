"""The whole DAG: prepare_data -> train_defense -> attack_checkpoint -> make_tables, run_notebook -> write_site.

    snakemake --cores 8 reports/all_tables
    snakemake --cores 8 results/digits/trades/main/seed0.json

`config.yaml` says which studies are run and from which depth; a rule that a depth does not need does not exist.
"""

import os
import shlex
import sys
from pathlib import Path

import snakemake.benchmark
from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

from redoubt.cli.warm import Warm
from redoubt.errors import RedoubtError
from redoubt.workflow.snakefile import Dag

min_version("9.19")

if workflow.resource_settings.cores == 0:
    raise WorkflowError("--cores 0 would wait for ever: --cores 1 or more")

try:
    dag = Dag()
    if workflow.is_main_process:
        dag.sound()
except RedoubtError as error:
    raise WorkflowError(str(error))

# A job on a cluster finds `redoubt` and `papermill` where this Python lies, activated or not.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

# Its default, half a second, reads the memory maps of every job so often that this took a seventh of a core.
snakemake.benchmark.BENCHMARK_INTERVAL_SHORT = 10

# Every job takes one core of the machine's real ones, whatever --cores says: torch with more jobs than cores
# was 4 to 12 times slower.
workflow.global_resources.setdefault("core", os.cpu_count())

# One job a card: without a limit, several would share one. A job takes a free card of those named here.
workflow.global_resources.setdefault("gpu", max(1, len(dag.cards)))
if len(dag.cards) > 1 and not workflow.non_local_exec:
    os.environ["REDOUBT_GPUS"] = ",".join(dag.cards)


# Start-up of torch was a fifth of a cold digits run: one process pays it, and forks the jobs of this run.
warm = Warm()


onstart:
    if not workflow.non_local_exec:
        warm.start()


onsuccess:
    warm.stop()


onerror:
    warm.stop()


def gpu():
    """A run takes the machine's GPU, or one of a cluster's: the node that submits it may have none.

    Where the cluster's profile asks by `gres`, it does not ask a second time.
    """
    return int(
        config.get("gpu", not gres() and (workflow.non_local_exec or bool(dag.cards)))
    )


def gres():
    """How a cluster that knows its GPUs only as generic resources is asked for one, as `gpu:1`."""
    return config.get("gres", "")


def together(runs):
    """On a cluster, runs of seconds share a job where its profile says so: one wait in the queue, one start."""
    return runs if config.get("together") else None


# Where a job on a cluster has no network, the node that submits it has one.
localrules:
    prepare_data,


# Relative: a project that is moved or copied has nothing to make anew.
NOTEBOOKS, CLAIMS, FIDELITY = (
    os.path.relpath(f"{workflow.basedir}/{name}")
    for name in ("notebooks", "claims", "docs/fidelity")
)


rule all:
    default_target: True
    input:
        "reports/all_tables",
        "reports/all_figures",
        "reports/index.html",
        # Else a record that is lost is not missed while the tables made from it are there.
        dag.all_results(),
        dag.all_records(),


rule prepare_data:
    output:
        "data/{study}/record.json",
    log:
        "logs/prepare_data/{study}.log",
    benchmark:
        "logs/prepare_data/{study}.benchmark.tsv"
    retries: 1
    resources:
        core=1,
    params:
        settings=lambda w: dag.data_settings(w.study),
        mirror=shlex.join(["--mirror", dag.config.mirror]) if dag.config.mirror else "",
    message:
        "Prepare the images of study {wildcards.study}"
    shell:
        "redoubt prepare {wildcards.study:q} {params.mirror} > {log:q} 2>&1"


for group in dag.groups("scratch"):

    rule:
        name:
            f"train_defense_seeds_{group.label}"
        input:
            data=lambda w: dag.data(w.run),
            start=lambda w: dag.starts(w.run),
        output:
            expand(
                "checkpoints/{{run}}/seed{seed}/{name}",
                seed=group.seeds,
                name=["best.safetensors", "last.safetensors", "record.json"],
            ),
        log:
            "logs/train_defense/{run}.log",
        benchmark:
            "logs/train_defense/{run}.benchmark.tsv"
        wildcard_constraints:
            run=group.pattern,
        group:
            together("train")
        threads: 1
        resources:
            gpu=lambda w: gpu(),
            gres=lambda w: gres(),
            core=1,
        params:
            fingerprint=lambda w: dag.training(w.run),
        message:
            "Train {wildcards.run}, every seed"
        shell:
            "redoubt train {wildcards.run} --threads {threads} > {log} 2>&1"


for group in dag.groups("scratch", "checkpoints"):

    rule:
        name:
            f"attack_checkpoint_seeds_{group.label}"
        input:
            data=lambda w: dag.data(w.run),
            weights=lambda w: dag.attacked(w.run),
            surrogates=lambda w: dag.surrogates(w.run),
        output:
            expand("results/{{run}}/seed{seed}.json", seed=group.seeds),
        log:
            "logs/attack_checkpoint/{run}.log",
        benchmark:
            "logs/attack_checkpoint/{run}.benchmark.tsv"
        wildcard_constraints:
            run=group.pattern,
        group:
            together("attack")
        threads: 1
        resources:
            gpu=lambda w: gpu(),
            gres=lambda w: gres(),
            core=1,
        params:
            fingerprint=lambda w: dag.attacking(w.run),
            seeds=[f"--seed {seed}" for seed in group.seeds],
        message:
            "Attack {wildcards.run}, every seed"
        shell:
            "redoubt attack {wildcards.run} {params.seeds} --threads {threads} > {log} 2>&1"


# The record is no input: an audit makes no record, it fails where there is none.
rule audit_variant:
    input:
        data=lambda w: dag.data(w.run),
    output:
        directory("audits/{run}"),
    log:
        "logs/audit_variant/{run}.log",
    benchmark:
        "logs/audit_variant/{run}.benchmark.tsv"
    wildcard_constraints:
        run=dag.audited(),
    threads: 1
    resources:
        gpu=lambda w: gpu(),
        gres=lambda w: gres(),
        core=1,
    params:
        fingerprint=lambda w: dag.auditing(w.run),
    message:
        "Audit {wildcards.run}: make it anew and compare"
    shell:
        "redoubt audit {wildcards.run} --threads {threads} 2> {log} || [ $? -eq 3 ]"  # 3: `different` is an answer


rule judge_claims:
    input:
        results=dag.all_results(),
        challenges=dag.challenges(),
        records=dag.all_records(),
        claims=sorted(str(path) for path in Path(CLAIMS).glob("*.yaml")),
    output:
        "reports/claims.json",
    log:
        "logs/judge_claims.log",
    benchmark:
        "logs/judge_claims.benchmark.tsv"
    group:
        "reports"
    resources:
        mem_mb=4000,
        runtime=lambda w, attempt: attempt * 10,
    params:
        records=[f"--record {path}" for path in dag.all_records()],
        folder=["--folder", CLAIMS] if Path(CLAIMS).is_dir() else [],
        code=dag.code("redoubt.claims.report"),
    message:
        "Judge every claim"
    shell:
        "redoubt claims {input.results} {params.records} {params.folder:q} --out {output} > {log} 2>&1"


rule make_tables:
    input:
        results=dag.all_results(),
        challenges=dag.challenges(),
        records=dag.all_records(),
        exhibits="reports/exhibits.json",
        claims="reports/claims.json",
    output:
        "reports/all_tables",
        directory("reports/tables"),
    log:
        "logs/make_tables.log",
    benchmark:
        "logs/make_tables.benchmark.tsv"
    group:
        "reports"
    resources:
        mem_mb=4000,
        runtime=lambda w, attempt: attempt * 10,
    params:
        records=[f"--record {path}" for path in dag.all_records()],
        code=dag.code("redoubt.reports.tables"),
        origins=dag.origins(),
    message:
        "Write every table"
    shell:
        "redoubt tables {input.results} {params.records} --exhibits {input.exhibits}"
        " --claims {input.claims} > {log} 2>&1"


rule list_exhibits:
    output:
        "reports/exhibits.json",
    log:
        "logs/list_exhibits.log",
    benchmark:
        "logs/list_exhibits.benchmark.tsv"
    group:
        "reports"
    resources:
        mem_mb=4000,
        runtime=lambda w, attempt: attempt * 10,
    params:
        content=dag.listed(),
    message:
        "List the tables and figures of the papers, and which are made"
    shell:
        "redoubt exhibits {output} > {log} 2>&1"


for notebook, figures in dag.figures().items():

    rule:
        name:
            f"run_notebook_{notebook}"
        input:
            notebook=f"{NOTEBOOKS}/{notebook}.py",
            exhibits="reports/exhibits.json",
            tables="reports/all_tables",
            results=dag.all_results(),
            challenges=dag.challenges(),
            records=dag.all_records(),
            weights=dag.analyzed(notebook),
        output:
            [
                report(
                    f"reports/figures/{name}.svg",
                    caption=f"{os.getcwd()}/reports/figures/{name}.txt",
                    category=exhibit.paper,
                    subcategory=exhibit.number,
                    labels={"figure": exhibit.title, "file": name},
                )
                for name, exhibit in figures.items()
            ],
            expand("reports/figures/{name}.{kind}", name=figures, kind=["png", "txt"]),
            notebook=f"reports/notebooks/{notebook}.ipynb",
        log:
            f"logs/run_notebook/{notebook}.log",
        benchmark:
            f"logs/run_notebook/{notebook}.benchmark.tsv"
        group:
            "reports"
        threads: 1
        resources:
            core=1,
            mem_mb=4000,
            runtime=lambda w, attempt: attempt * 20,
        params:
            code=dag.drawing(notebook),
        message:
            f"Execute notebooks/{notebook}.py"
        shell:
            "(export OMP_NUM_THREADS={threads}; jupytext --to ipynb -o - {input.notebook:q}"
            ' | papermill --no-progress-bar - {output.notebook} -p root "$PWD" -p figures reports/figures)'
            " > {log} 2>&1"


rule list_figures:
    input:
        notebooks=expand("reports/notebooks/{name}.ipynb", name=dag.figures()),
    output:
        "reports/all_figures",
    log:
        "logs/list_figures.log",
    benchmark:
        "logs/list_figures.benchmark.tsv"
    group:
        "reports"
    resources:
        mem_mb=4000,
        runtime=lambda w, attempt: attempt * 10,
    message:
        "List every figure with its hash"
    shell:
        "redoubt figures reports/figures {output} > {log} 2>&1"


rule write_site:
    input:
        rules.make_tables.output,
        rules.judge_claims.output,
        rules.list_figures.input,
        rules.list_figures.output,
        exhibits="reports/exhibits.json",
        results=dag.all_results(),
        challenges=dag.challenges(),
        records=dag.all_records(),
        fidelity=sorted(str(path) for path in Path(FIDELITY).glob("*.yaml")),
    output:
        "reports/index.html",
        "reports/ro-crate-metadata.json",
        directory("reports/site"),
    log:
        "logs/write_site.log",
    benchmark:
        "logs/write_site.benchmark.tsv"
    group:
        "reports"
    resources:
        mem_mb=4000,
        runtime=lambda w, attempt: attempt * 10,
    params:
        records=[f"--record {path}" for path in dag.all_records()],
        code=dag.code("redoubt.reports.site"),
        pages=dag.pages(),
        origins=dag.origins(),
        folder=FIDELITY,
    message:
        "Write reports/index.html and the pages behind it"
    shell:
        "redoubt site {input.results} {params.records} --fidelity {params.folder:q} > {log} 2>&1"
