"""README, docs and examples agree with the code: paths, modules, commands, specs and terms."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.evaluation.metrics import family_of
from components.ingestion.readers import readers
from models.balancing.base import Balancing
from models.discovery import methods
from models.inputs.base import Input
from models.sharing.base import Sharing
from models.tasks.base import Task
from models.transfer.base import Transfer
from models.trunks.base import Trunk
from pipeline.cli.main import main
from pipeline.spec.load import load_spec
from pipeline.spec.sections import Spec

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    p.relative_to(ROOT)
    for folder in (".", "docs", "docs/*", "examples/*", "benchmarks/*")
    for p in ROOT.glob(f"{folder}/*.md")
)
WRITTEN = [p for p in PAGES if p.name not in ("spec.md", "methods.md")]  # the others are generated
SPECS = sorted(p.relative_to(ROOT) for p in ROOT.glob("examples/*/*.yaml"))
PACKAGES = "pipeline|components|models|serving|tests"
MADE_BY_COMMANDS = (
    "examples/digits/.rootstock",
    "examples/digits/trunk",
    "examples/objects/trunk",
    "examples/spam/minilm",
    "examples/spam/smollm2",
)
TERMS = """
    spec stage artifact fingerprint store span split example statistics schema anomaly drift skew
    trunk head task sharing balancing transfer arm study verdict slice threshold blessing champion
    candidate signature version label warm-up BCa Δm
"""


def text(page: Path) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    """The fenced code of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text(page), re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    """A page without code."""
    return re.sub(r"```.*?```|`[^`]*`", "", text(page), flags=re.DOTALL)


def flow() -> str:
    return (ROOT / "pipeline" / "flow.py").read_text(encoding="utf-8")


def ids(page: Path) -> str:
    return str(page)


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", text(page)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        linked = (ROOT / page).parent / name if name else ROOT / page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", [*WRITTEN, *SPECS], ids=ids)
def test_paths_exist(page: Path) -> None:
    folders = f"{PACKAGES}|docs|examples|benchmarks"
    for path in re.findall(rf"(?<![\w/.:$-])(?:{folders})/[\w./*<>-]*[\w/*>]", text(page)):
        if not path.startswith(MADE_BY_COMMANDS):
            assert list(ROOT.glob(re.sub(r"<[^>]*>", "*", path))), path


@pytest.mark.parametrize("page", WRITTEN, ids=ids)
def test_modules_exist(page: Path) -> None:
    for name in re.findall(rf"(?<![\w/.-])(?:{PACKAGES})(?:\.[a-z]\w*)+(?![\w/])", text(page)):
        if name.rpartition(".")[2] in ("py", "yaml", "md"):
            continue
        place = ROOT / name.replace(".", "/")
        assert place.is_dir() or place.with_suffix(".py").exists(), name


@cache
def help_text(*arguments: str) -> str:
    """What a command prints with `--help`."""
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as exit_:
        main([*arguments, "--help"])
    assert exit_.value.code == 0, arguments
    return out.getvalue()


def command_lines(page: Path) -> Iterator[list[str]]:
    """The arguments of each `rootstock …` in a page's code or in a spec's comments."""
    if page.suffix == ".yaml":
        lines = re.findall(r"^# (rootstock .*?)(?:  +\(.*)?$", text(page), re.MULTILINE)
    else:
        code = "\n".join(blocks(page, "sh")).replace("\\\n", " ")
        lines = re.findall(r"^(rootstock .*)$", code, re.MULTILINE)
        lines += re.findall(r"`(rootstock [^`]*)`", text(page))
    for line in lines:
        yield shlex.split(re.sub(r"[\[\]…]|> \S+$", "", line), comments=True)[1:]


@pytest.mark.parametrize("page", [*PAGES, *SPECS], ids=ids)
def test_commands_and_their_options_exist(page: Path) -> None:
    for command, *arguments in command_lines(page):
        shown = help_text(command)
        for option in (a for a in arguments if a.startswith("--")):
            assert re.search(rf"{option}\b", shown), f"rootstock {command} {option}"


def test_the_page_on_commands_lists_every_command() -> None:
    listed = set(re.findall(r"^  ([a-z]+) {2,}", help_text(), re.MULTILINE))
    assert len(listed) > 10
    rows = set(re.findall(r"^\| `rootstock ([a-z]+)", text(Path("docs/commands.md")), re.MULTILINE))
    assert rows == listed


def test_readme_shows_a_whole_spec_with_the_tasks_of_the_objects_example(tmp_path: Path) -> None:
    (block,) = blocks(Path("README.md"), "yaml")
    shown = yaml.safe_load(block)
    example = yaml.safe_load(text(Path("examples/objects/mobilenet.yaml")))
    del example["model"]["trunk"]["weights"]  # the default: ImageNet
    assert [shown[name] for name in ("inputs", "tasks")] == [example["inputs"], example["tasks"]]
    assert shown["model"]["trunk"] == example["model"]["trunk"]
    (tmp_path / "spec.yaml").write_text(block)
    load_spec(tmp_path / "spec.yaml")


def site() -> Any:
    """mkdocs.yml, without the names of Python objects in it."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda *_: None)
    return yaml.load(text(Path("mkdocs.yml")), Loader)


def pages_in(navigation: Any) -> Iterator[str]:
    for entry in navigation:
        for target in entry.values() if isinstance(entry, dict) else [entry]:
            if isinstance(target, str):
                yield target
            else:
                yield from pages_in(target)


def test_the_site_has_every_page_once() -> None:
    on_site = sorted(pages_in(site()["nav"]))
    outside = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md"}
    outside |= {"changelog.md": "CHANGELOG.md"}
    folders = ("examples/", "benchmarks/")
    files = [outside.get(p) or (p if p.startswith(folders) else f"docs/{p}") for p in on_site]
    assert sorted(files) == sorted(map(str, PAGES))


def source_text() -> str:
    """The source of the packages; a message of several lines is in one piece."""
    files = (f for package in PACKAGES.split("|")[:-1] for f in ROOT.glob(f"{package}/**/*.py"))
    joined = "\n".join(f.read_text(encoding="utf-8") for f in files)
    return re.sub(r'"\s*\n\s*f?"', "", joined)


def test_messages_on_the_page_of_problems_are_in_the_source() -> None:
    messages = re.findall(r"^### `(.*)`$", text(Path("docs/problems.md")), re.MULTILINE)
    assert len(messages) > 10
    source = source_text()
    assert [m for m in messages if m not in source] == []


def test_readme_does_not_promise_more_methods_than_there_are() -> None:
    words = " ".join(text(Path("README.md")).split())
    assert "More than 30 balancing methods, ten sharing schemes and nine transfer modes" in words
    assert len(methods("models.balancing", Balancing)) > 30
    assert len(methods("models.sharing", Sharing)) >= 10
    assert len(methods("models.transfer", Transfer)) >= 9


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("docs/multitask.md", [*methods("models.sharing", Sharing)]),
        ("docs/transfer.md", [*methods("models.transfer", Transfer)]),
        ("docs/transfer.md", [*methods("models.trunks", Trunk).keys() - {"scratch"}]),
        ("docs/readers.md", [*readers()]),
    ],
)
def test_tables_have_a_row_for_every_choice(page: str, names: list[str]) -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", text(Path(page)), re.MULTILINE)
    assert set(names) <= set(re.findall(r"`(\w+)`", " ".join(rows)))


def test_the_page_on_evaluation_has_every_metric() -> None:
    for kind in methods("models.tasks", Task, "kind"):
        row = re.search(rf"^\| {kind} \| (.*) \|$", text(Path("docs/evaluation.md")), re.MULTILINE)
        assert row, kind
        assert re.findall(r"`(\w+)`", row[1]) == [*family_of(kind).names], kind


@pytest.mark.parametrize(
    ("section", "kinds"),
    [
        ("tasks", [*methods("models.tasks", Task, "kind")]),
        ("inputs", [*methods("models.inputs", Input, "kind")]),
    ],
)
def test_the_page_on_concepts_names_every_kind(section: str, kinds: list[str]) -> None:
    row = re.search(rf"^\| `{section}` \|.*$", text(Path("docs/concepts.md")), re.MULTILINE)
    assert row
    assert set(kinds) <= set(re.findall(r"`(\w+)`", row[0]))


def test_the_diagram_has_every_stage_of_the_pipeline() -> None:
    stages = set(re.findall(r"^from components\.\S+ import (\w+), \1Inputs", flow(), re.MULTILINE))
    assert len(stages) > 10
    (diagram, _) = blocks(Path("docs/architecture.md"), "mermaid")
    assert stages - {"SpanMerger"} <= set(re.findall(r"\w+", diagram))


def test_first_commands_of_the_readme_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"{20 + i % 50},{'cook' if i % 3 else 'smith'},{i % 2},{i % 5 > 2}" for i in range(99)]
    Path("people.csv").write_text("\n".join(["age,job,income,married", *rows]))
    lines = [a for a in command_lines(Path("README.md")) if "people.csv" in a or "spec.yaml" in a]
    assert [a[0] for a in lines[:3]] == ["init", "run", "validate"]
    for arguments in (lines[0], lines[2]):
        assert main(arguments) == 0
    assert "valid. 2 inputs, 2 tasks" in capsys.readouterr().out


BASE = """
name: base
data: {sources: [{format: csv, path: a.csv}]}
inputs: {image: {kind: image, height: 32, width: 32}}
tasks:
  cat: {kind: binary, label: cat}
  dog: {kind: binary, label: dog}
  income: {kind: binary, label: income}
"""


def fragments(page: Path) -> Iterator[dict[str, Any]]:
    """The pieces of specs on a page; lines that begin with `trunk:` are one each."""
    for block in blocks(page, "yaml"):
        if all(line.startswith("trunk:") for line in block.splitlines()):
            yield from ({"model": yaml.safe_load(line)} for line in block.splitlines())
        else:
            yield yaml.safe_load(block)


@pytest.mark.parametrize("page", [p for p in WRITTEN if blocks(p, "yaml")], ids=ids)
def test_pieces_of_specs_are_valid(page: Path, tmp_path: Path) -> None:
    for piece in fragments(page):
        assert piece.keys() <= Spec.model_fields.keys(), piece
        whole = yaml.safe_load(BASE)
        for section, content in piece.items():
            whole[section] = content | whole["data"] | content if section == "data" else content
        file = tmp_path / "spec.yaml"
        file.write_text(yaml.safe_dump(whole))
        load_spec(file, variables={"DATA": str(tmp_path), "PASSWORD": "a"})


@pytest.mark.parametrize("page", WRITTEN, ids=ids)
def test_python_code_compiles(page: Path) -> None:
    for block in blocks(page, "python"):
        ast.parse(block)


def test_glossary_has_every_term_once() -> None:
    terms = re.findall(r"^\| \*\*(.+?)\*\* \|", text(Path("docs/glossary.md")), re.MULTILINE)
    assert sorted(set(terms)) == sorted(terms)
    assert set(TERMS.split()) <= set(terms)


@pytest.mark.parametrize("page", WRITTEN, ids=ids)
def test_terms_are_spelled_as_the_glossary_says(page: Path) -> None:
    glossary, _, spelling = text(Path("docs/glossary.md")).partition("## Spelling")
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", spelling, re.MULTILINE)[2:]
    assert len(rows) > 10
    words = glossary if page.name == "glossary.md" else prose(page)
    for right, wrong in rows:
        for spelled in wrong.split(", "):
            ignored_case = re.IGNORECASE if spelled.islower() else re.NOFLAG
            assert not re.search(rf"\b{spelled}\b", words, ignored_case), f"write {right!r}"
