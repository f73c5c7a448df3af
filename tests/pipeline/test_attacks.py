"""What users get wrong at the command line ends with a line of our words and status 1 or 2, never with a traceback."""

import os
import random
import subprocess
import sys

import pytest

BOOKS = "isbn,shelf\n"
DESIGN = """
import sixfold as sf

reader, book, shelf = sf.Entity("reader"), sf.Entity("book"), sf.Entity("shelf")
books = sf.Table("books", sf.Csv("books.csv"), book.key("isbn"), shelf=shelf.key())
loans = sf.Events("loans", sf.Csv("loans.csv"), reader.key("card"), book.key("isbn"),
    time=sf.Time("at", unit="s"), read=sf.Flag())
demand = sf.Features("demand", book, loans, loans_1d=sf.count(window="1d"))
read = sf.Label("read", "read", within="1h")
ranker = sf.Trees("ranker", inputs=[demand], heads=[sf.Binary(read)])
popular = sf.Rule("popular", "demand.loans_1d")
system = sf.System("library", sf.Requirements(goal="Readers find books"),
    sf.Framing(query=reader, item=book, examples=loans, labels=[read]),
    sf.Data(books, loans, demand), sf.Models(ranker, popular),
    sf.Evaluation(split=sf.ByTime(validation="1d", test="1d"), metrics=["auc(read)"], gates=[]),
    sf.Deployment(candidates=[popular.top(10)], predict=ranker, value="read"))
"""


@pytest.fixture
def folder(tmp_path):
    rng = random.Random(1)
    rows = [f"c{rng.randrange(9)},b{rng.randrange(9)},{1_767_225_600 + 600 * i},{i % 2}" for i in range(720)]
    (tmp_path / "loans.csv").write_text("\n".join(["card,isbn,at,read", *rows]) + "\n")
    (tmp_path / "books.csv").write_text(BOOKS + "\n".join(f"b{i},s" for i in range(9)) + "\n")
    (tmp_path / "design.py").write_text(DESIGN)
    return tmp_path


def sixfold(folder, *arguments):
    """The status, standard output and standard error of a command that is run in this folder."""
    command = [sys.executable, "-m", "sixfold.cli", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default"}
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout, ran.stderr


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import sixfold\nx = (", "line 2: '(' was never closed"),
        ("1\nraise ValueError('boo')", "line 2: ValueError: boo"),
        ("\n\nimport nosuchmodule", "line 3: ModuleNotFoundError: No module named 'nosuchmodule'"),
        ("import sys; sys.exit(3)", "line 1: SystemExit: 3"),
        ("x = '\0'", "SyntaxError: source code string cannot contain null bytes"),
        ("x = 1", "it makes no System"),
    ],
)
def test_a_file_that_is_no_design_is_told_with_the_line_that_fails(folder, text, why):
    (folder / "bad.py").write_text(text)
    assert sixfold(folder, "check", "bad.py") == (1, "", f"sixfold: {folder / 'bad.py'}: not a design: {why}\n")


def test_a_step_before_what_it_depends_on_says_what_to_run(folder):
    said = (
        "sixfold: step 'evaluate' reads what step 'examples' leaves, which has not run. "
        "Run `sixfold step examples` first.\n"
    )
    assert sixfold(folder, "step", "evaluate", "design.py", "--workdir", "work") == (1, "", said)


def test_a_work_folder_that_cannot_be_made_is_one_line(folder):
    status, out, said = sixfold(folder, "run", "design.py", "--workdir", "loans.csv", "--json")
    expected = "loans.csv cannot hold what a run makes: File exists. Choose another folder with --workdir."
    assert (status, out, said) == (1, "", f"sixfold: {expected}\n")


def test_sending_to_what_is_no_address_is_one_line(folder):
    status, out, said = sixfold(folder, "send", "design.py", "loans.csv", "--url", "junk")
    expected = "junk/v1/events/loans: unknown url type: 'junk/v1/events/loans'. Is a server running (`sixfold serve`)?"
    assert (status, out, said) == (1, "", f"sixfold: {expected}\n")


def test_an_empty_table_of_items_is_told_before_anything_is_trained(folder):
    (folder / "books.csv").write_text(BOOKS)
    status, out, said = sixfold(folder, "run", "design.py", "--workdir", "work", "--json")
    assert (status, out) == (1, "")
    expected = "design.py:5: books names no book at all, so there is nothing to choose from. Look at its source."
    assert said.splitlines()[-1] == f"sixfold: {expected}"


def test_a_command_line_that_is_none_ends_with_2(folder):
    status, out, said = sixfold(folder, "run", "design.py", "--seed", "abc")
    assert (status, out) == (2, "")
    assert "Invalid value for '--seed'" in said
