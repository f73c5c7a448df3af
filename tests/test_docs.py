"""The documentation's blocks run, or say why not; the examples in docstrings hold.

A fenced block carries one of
    file=NAME         written into a folder of the page's own; .py files then run, in the order of the page
    run               a few quick commands for bash, in the same folder and order
    norun="reason"    why nobody runs it
"""

import doctest
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PACKAGE = ROOT / "src"
WITH_EXAMPLES = sorted(p for p in (PACKAGE / "sixfold").rglob("*.py") if ">>> " in p.read_text())
FENCE = re.compile(r"( *)(`{3,}|~{3,})\s*([\w+-]*)\s*(.*?)\s*")
OPTION = re.compile(r'(file)=(\S+)|(norun)="([^"]+)"|(run)')


class Block(NamedTuple):
    at: str
    """Page and line."""
    language: str
    option: str
    """`file`, `run` or `norun`."""
    value: str
    text: str


def blocks(page: str, text: str) -> list[Block]:
    """The fenced blocks of a page; fails at one that does not say what becomes of it."""
    found: list[Block] = []
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        if not (opened := FENCE.fullmatch(line)):
            continue
        indent, fence, language, said = opened.groups()
        at = f"{page}:{number}"
        inside: list[str] = []
        for _, one in lines:
            if one.strip().startswith(fence) and not one.strip().strip(fence[0]):
                break
            inside.append(one.removeprefix(indent))
        else:
            pytest.fail(f"{at}: the block is not closed")
        if not (option := OPTION.fullmatch(said)):
            pytest.fail(f'{at}: the block must carry file=NAME, run or norun="reason", and carries {said!r}')
        name, value = [group for group in (*option.groups(), "") if group is not None][:2]
        found.append(Block(at, language, name, value, "".join(f"{one}\n" for one in inside)))
    return found


def follow(page: list[Block], folder: Path) -> None:
    """Write the page's files, and run what runs; fails with the block's line and what was printed."""
    files: dict[str, str] = {}
    for block in page:
        if block.option == "file":
            path = PurePosixPath(block.value)
            if path.is_absolute() or ".." in path.parts or block.value in files:
                pytest.fail(f"{block.at}: {block.value} must be a path inside the page's folder, and used once")
            files[block.value] = block.text
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for block in page:
        if block.option == "file" and block.value.endswith(".py"):
            execute(block, [sys.executable, block.value], folder)
        elif block.option == "run":
            if block.language != "bash":
                pytest.fail(f"{block.at}: only bash blocks run, this one is {block.language or 'of no language'}")
            execute(block, ["bash", "-eu", "-o", "pipefail", "-c", block.text], folder)


def execute(block: Block, command: list[str], folder: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    ran = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=300, check=False
    )
    if ran.returncode:
        pytest.fail(f"{block.at}: ended with {ran.returncode}\n{ran.stdout}{ran.stderr}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_of_the_page_runs_or_says_why_not(page, tmp_path):
    follow(blocks(str(page.relative_to(ROOT)), page.read_text()), tmp_path)


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: str(path.relative_to(PACKAGE / "sixfold")))
def test_the_examples_in_docstrings_hold(path):
    module = importlib.import_module(".".join(path.relative_to(PACKAGE).with_suffix("").parts))
    ran = doctest.testmod(module)
    assert ran.attempted > 0
    assert ran.failed == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n\n```\nb\n```\n", "page.md:3: the block must carry file=NAME, run or norun=\"reason\", and carries ''"),
        ("```python\nb\n```", "page.md:1: the block must carry file=NAME, run or norun=\"reason\", and carries ''"),
        (
            '```bash norun=""\nb\n```',
            'page.md:1: the block must carry file=NAME, run or norun="reason", and carries \'norun=""\'',
        ),
        ("```python file=a.py\nb\n", "page.md:1: the block is not closed"),
    ],
)
def test_a_block_that_says_nothing_is_refused_with_its_line(text, message):
    with pytest.raises(pytest.fail.Exception) as caught:
        blocks("page.md", text)
    assert str(caught.value) == message


def test_files_are_written_first_and_run_in_order(tmp_path):
    page = """
```python file=say.py
import part
open("said.txt", "w").write(part.WORD)
```

1. In a list:
   ```bash run
   test "$(cat said.txt)" = hello
   python -c 'import sixfold; open("ran.txt", "w").close()'
   ```

````python file=part.py
WORD = "hello"
````
"""
    follow(blocks("page.md", page), tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.txt")) == ["ran.txt", "said.txt"]


def test_a_block_that_fails_is_named_with_what_it_printed(tmp_path):
    with pytest.raises(pytest.fail.Exception) as caught:
        follow(blocks("page.md", "\n```bash run\necho first; false\necho second\n```\n"), tmp_path)
    assert str(caught.value) == "page.md:2: ended with 1\nfirst\n"


def test_a_file_outside_the_folder_is_refused(tmp_path):
    with pytest.raises(pytest.fail.Exception, match=r"^page\.md:1: \.\./a\.py must be a path inside"):
        follow(blocks("page.md", "```python file=../a.py\n```"), tmp_path)
