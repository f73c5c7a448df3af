"""The command line: a few verbs over one design file."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sixfold.errors import SixfoldError
from sixfold.pipeline.locate import locate

__all__ = ["app", "main"]

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

Design = Annotated[str, typer.Argument(help="A design file, or the name of a reference system.")]
Workdir = Annotated[Path | None, typer.Option(help="Where everything is kept; default .sixfold/SYSTEM.")]
Data = Annotated[Path | None, typer.Option(help="The folder that relative sources are in.")]
Seed = Annotated[int, typer.Option(help="Of everything that is drawn at random.")]


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="The folder to make; its last part names the system.")],
    like: Annotated[str | None, typer.Option(metavar="SYSTEM", help="Start from a reference system.")] = None,
    from_: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="FILES…", help="Start from your own CSV, Parquet or JSON lines files."),
    ] = None,
) -> None:
    """Write a folder with a design that runs: one like a reference system, or one proposed from your own files."""
    from sixfold.pipeline.locate import generate_sample, reference_systems, sample_gates
    from sixfold.scaffold.new import new_from_files, new_like, usable

    folder = Path(name)
    if not usable(folder.name):
        rule = f"{folder.name or name} cannot name a system: take letters, digits and _, a letter first"
        raise typer.BadParameter(rule, param_hint="NAME")
    if (like is None) == (from_ is None):
        raise typer.BadParameter("say one of --like SYSTEM and --from FILES", param_hint="--like, --from")
    if like is not None:
        systems = reference_systems()
        if like not in systems:
            known = ", ".join(systems) or "none is installed here"
            raise typer.BadParameter(f"{like} is no reference system ({known})", param_hint="--like")
        reference = systems[like]
        made = new_like(folder, reference, lambda data: generate_sample(reference, data), sample_gates(reference))
    else:
        made = new_from_files(folder, from_ or [])
    typer.echo(f"{folder / 'design.py'}: {made.system.requirements.goal}")
    for todo in made.todos:
        typer.echo(f"  {folder / 'design.py'}:{todo.line}: {todo.said}")
    typer.echo(f"Next: cd {folder}, and what README.md there says.")


@app.command()
def check(
    design: Design,
    data: Annotated[
        str | None,
        typer.Option(metavar="[FOLDER]", help="Look at the data too: in this folder, or where a run would take it."),
    ] = None,
    workdir: Workdir = None,
    json_: Annotated[bool, typer.Option("--json", help="With data: one JSON object and nothing else.")] = False,
) -> None:
    """Say what is wrong with a design, or draw it; with data, also what that looks like and what knows the label."""
    from sixfold.pipeline.encoders import find_encoders

    located = locate(design)
    if not json_:
        from sixfold.design.draw import draw

        typer.echo(draw(located.system))
    if data is None:
        find_encoders(located.system, located.design)
        return
    import time

    from sixfold.pipeline.check import check_design_data
    from sixfold.pipeline.run import wide_console

    job = located.job(data=Path(data) if data else None, workdir=workdir, seed=0)
    found = check_design_data(job, now_us=time.time_ns() // 1000)
    if json_:
        sys.stdout.write(json.dumps(found.to_json()) + "\n")
    else:
        console = wide_console(stderr=False)
        for shown in found.tables():
            console.print(shown)
    if not found.passed:
        raise typer.Exit(1)


@app.command()
def run(
    design: Design,
    data: Data = None,
    workdir: Workdir = None,
    seed: Seed = 0,
    json_: Annotated[bool, typer.Option("--json", help="End with one JSON object on a line.")] = False,
) -> None:
    """Run a design: ingest, compute features, train, evaluate, decide the gates, release."""
    from sixfold.pipeline.run import run as run_design

    result = run_design(locate(design).job(data=data, workdir=workdir, seed=seed))
    if json_:
        sys.stdout.write(json.dumps(result.to_json()) + "\n")
    if result.release is None:
        raise typer.Exit(1)


@app.command()
def step(
    name: Annotated[str, typer.Argument(help="Such as ingest, examples, train, evaluate, release.")],
    design: Design,
    data: Data = None,
    workdir: Workdir = None,
    seed: Seed = 0,
) -> None:
    """Run one step of `run`, as an orchestrator calls it; what it depends on must have run."""
    from sixfold.pipeline.run import one_step

    ran, seconds = one_step(name, locate(design).job(data=data, workdir=workdir, seed=seed))
    typer.echo(f"{name}: {'done' if ran else 'nothing to do'} ({seconds:.1f} s)")


@app.command()
def serve(
    design: Design,
    workdir: Workdir = None,
    port: Annotated[int, typer.Option(help="0 takes a free one and prints it.")] = 8000,
    workers: Annotated[int, typer.Option(help="Processes that answer.")] = 1,
    clock: Annotated[
        str,
        typer.Option(
            help="`wall`, `data` (goes on from the newest event of the data), or a time such as 2022-05-06T00:00:00Z."
        ),
    ] = "wall",
) -> None:
    """Serve the released system over HTTP."""
    from sixfold.serving.server import serve as serve_release

    serve_release(locate(design).workdir(workdir), port=port, workers=workers, clock=clock)


@app.command()
def send(
    design: Design,
    file: Annotated[Path, typer.Argument(help="JSON lines, CSV or Parquet, with the raw column names.")],
    url: Annotated[str, typer.Option(help="Where the server is.")] = "http://127.0.0.1:8000",
    to: Annotated[str | None, typer.Option(help="The stream or table; default the examples' stream.")] = None,
    speed: Annotated[float, typer.Option(help="Times as fast as it happened; 0: at once.")] = 0.0,
) -> None:
    """Replay a file of events into a server."""
    from sixfold.pipeline.send import send as send_events

    system = locate(design).system
    sent = send_events(system, file, url=url, stream=to or system.examples.name, speed=speed)
    typer.echo(f"sent {sent.sent}: accepted {sent.accepted}, duplicates {sent.duplicates}, refused {sent.refused}")
    for reason, count in sent.reasons.items():
        typer.echo(f"  refused {count}: {reason}")


@app.command()
def demo(design: Design, data: Data = None, workdir: Workdir = None, seed: Seed = 0) -> None:
    """Run a design, serve it, and show how answers change with what someone does."""
    from sixfold.pipeline.demo import demo as run_demo

    raise typer.Exit(run_demo(locate(design).job(data=data, workdir=workdir, seed=seed)))


@app.command()
def show(design: Design, workdir: Workdir = None) -> None:
    """Show the releases of a design and what they reached."""
    from sixfold.pipeline.show import show as show_releases

    show_releases(locate(design).workdir(workdir))


@app.command()
def audit(
    design: Design,
    workdir: Workdir = None,
    since: Annotated[str | None, typer.Option(help="Leave out answers before this time (ISO 8601).")] = None,
    sample: Annotated[int | None, typer.Option(help="Recompute at most so many answers.", min=1)] = None,
    max_different: Annotated[float, typer.Option(help="The share of a feature's values that may differ.")] = 0.0,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
) -> None:
    """Recompute the features that answers used, and say which were served otherwise."""
    from sixfold.pipeline.audit import audit as audit_answers
    from sixfold.pipeline.run import wide_console
    from sixfold.serving.clock import parse_time_us

    located = locate(design)
    since_us = None if since is None else parse_time_us(since)
    if since is not None and since_us is None:
        raise typer.BadParameter(f"{since} is no time in ISO 8601", param_hint="--since")
    found = audit_answers(located.system, located.workdir(workdir), since_us=since_us, sample=sample)
    if json_:
        sys.stdout.write(json.dumps(found.to_json()) + "\n")
    else:
        console = wide_console(stderr=False)
        console.print(found.table())
        if found.redefined:
            console.print(f"Defined otherwise today than when they were served: {', '.join(found.redefined)}")
    if found.worst() > max_different:
        raise typer.Exit(1)


@app.command()
def erase(
    design: Design,
    entity: Annotated[str, typer.Argument(help="Such as viewer.")],
    key: Annotated[str, typer.Argument(help="Whose rows go.")],
    workdir: Workdir = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
) -> None:
    """Erase one key of an entity from everything that is kept, and say what was removed where."""
    import time

    from sixfold.pipeline.run import wide_console
    from sixfold.serving.erase import erase as erase_key

    located = locate(design)
    done = erase_key(located.system, located.workdir(workdir), entity, key, now_us=time.time_ns() // 1000)
    if json_:
        sys.stdout.write(json.dumps(done.to_json()) + "\n")
    else:
        console = wide_console(stderr=False)
        for shown in done.tables():
            console.print(shown)


def main(arguments: list[str] | None = None) -> Any:
    """Exit 0: done; 1: the design, the data or a release is wrong, in our words; 2: the command line is."""
    try:
        app(_with_values(sys.argv[1:] if arguments is None else arguments))
    except SixfoldError as error:
        typer.echo(f"sixfold: {error}", err=True)
        raise SystemExit(1) from None


def _with_values(arguments: list[str]) -> list[str]:
    """`check --data` without a folder takes the data from where a run would; `new --from` takes all files after it."""
    if arguments[:1] == ["new"] and "--from" in arguments:
        first = arguments.index("--from") + 1
        end = next((at for at in range(first, len(arguments)) if arguments[at].startswith("-")), len(arguments))
        files = [word for file in arguments[first:end] for word in ("--from", file)]
        return [*arguments[: first - 1], *(files or ["--from"]), *arguments[end:]]
    alone = [
        at
        for at, word in enumerate(arguments)
        if word == "--data" and (at + 1 == len(arguments) or arguments[at + 1].startswith("-"))
    ]
    return ["--data=" if at in alone and arguments[0] == "check" else word for at, word in enumerate(arguments)]


if __name__ == "__main__":
    main()
