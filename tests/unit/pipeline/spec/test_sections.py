import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import RootstockError
from models.balancing.loss_based.uncertainty import Uncertainty
from models.inputs.layers.augment import Augment
from models.tasks.multiclass import MulticlassTask
from pipeline.spec.load import load_spec
from pipeline.spec.sections import Spec

EXAMPLES = sorted(Path("examples").glob("*/*.yaml"))
DIGITS = Path("examples/digits/digits.yaml")


@pytest.mark.parametrize("path", EXAMPLES, ids=str)
def test_examples_are_valid_specs(path: Path, tmp_path: Path) -> None:
    spec, _ = load_spec(path, variables={"DATA": str(tmp_path)})
    assert all(Path(s.path).is_absolute() for s in spec.data.sources)
    assert Path(spec.store) == path.resolve().parent / ".rootstock"


def test_methods_are_objects_and_names_come_from_keys() -> None:
    spec, file = load_spec(DIGITS, ["training.epochs=2", "model.balancing.initial_log_variance=1"])
    assert spec.model.balancing == Uncertainty(initial_log_variance=1.0)
    assert spec.training.epochs == 2
    loops = spec.tasks["loops"]
    assert isinstance(loops, MulticlassTask)
    assert (loops.name, loops.map["8"]) == ("loops", "2")
    assert spec.inputs["image"].column == "image"
    assert file.text == DIGITS.read_text()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "model.balancing={name: fixed, weights: {loop: 2}}",
            r"no task 'loop'; expected some of \['digit', 'even', 'loops'\]",
        ),
        ("trainin={}", r"trainin: unknown key. Did you mean 'training'\? Known here: data,"),
        ("training.epoch=3", r"^--set training.epoch=3: training.epoch: .* 'epochs'\?"),
        ("tasks.even.positve=1", r"tasks.even.positve: .* Did you mean 'positive'\?"),
        ("inputs.image.widht=3", r"inputs.image.widht: .* Did you mean 'width'\?"),
        ("data.sources.0.fromat=3", r"^--set data.sources.0.fromat=3: \S+ .*'format'\?[^\n]*$"),
        (
            "model.balancing=uncertanty",
            r"balancing.name: 'uncertanty' .* Did you mean 'uncertainty'",
        ),
        ("tasks.even.kind=mutliclass", r"tasks.even.kind: 'mutliclass' .* mean 'multiclass'"),
        ("training.early_stopping={monitr: 3}", "Did you mean 'monitor'"),
        (
            "inputs.x={kind: layer, module: m.py, layer: A, bogus: 1}",
            r"inputs.x.bogus: unknown key",
        ),
        ("inputs.x={kind: layer, layer: A}", r"inputs.x.module: is required and is not given"),
        ("data.key=id", r"data.key: expected a list, such as \[id\] \(found 'id'\)"),
        ("inputs.x={kind: numeric, bins: [2, 1]}", r"inputs.x.bins: expected ascending boundaries"),
        ("data.sources=[]", "data.sources: .* at least 1 item"),
        ("thresholds=[{task: x, metric: auc}]", r"no task 'x'; expected one of \['digit'"),
        ("name=3d", r"^--set name=3d: name: .* \(found '3d'\)"),
        ("inputs.digit={kind: categorical}", "label of task 'digit': the model would see"),
        ("data.splits={train: 0.5, val: 0.1}", "add up to 1"),
    ],
)
def test_what_is_wrong_with_an_override_is_named(override: str, message: str) -> None:
    with pytest.raises(RootstockError, match=message):
        load_spec(DIGITS, [override])


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("  epochs:", "  epoch:", r"yaml:(\d+): training.epoch: unknown key"),
        ("positive:", "positve:", r"yaml:(\d+): tasks.even.positve: .* mean 'positive'"),
        ("width:", "widht:", r"yaml:(\d+): inputs.image.widht: .* mean 'width'"),
        ("format:", "fromat:", r"yaml:(\d+): data.sources.0: needs the key 'format'"),
        ("name: digits", "name: 3d", r"yaml:(\d+): name: .* \(found '3d'\)"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_its_line(
    right: str, wrong: str, message: str, tmp_path: Path
) -> None:
    text = DIGITS.read_text().replace(right, wrong, 1)
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(RootstockError) as error:
        load_spec(tmp_path / "a.yaml", ["training.batch_size=64"])
    found = re.search(message, str(error.value))
    assert found and wrong in text.splitlines()[int(found[1]) - 1], str(error.value)


def test_an_export_that_the_trunk_does_not_support_is_refused() -> None:
    hub = "model.trunk={name: tf_hub, handle: m}"
    with pytest.raises(RootstockError, match=r"export.weights: a TF-Hub module keeps its weights"):
        load_spec(DIGITS, [hub, "export={weights: float16}"])
    with pytest.raises(RootstockError, match=r"export.xla: XLA cannot compile .* takes texts"):
        load_spec(DIGITS, [hub, "export={xla: true}", "inputs={t: {kind: text}}"])
    load_spec(DIGITS, [hub, "export={xla: true}"])


def test_experts_that_portable_formats_cannot_express_are_refused_before_training() -> None:
    formats, text = "export={formats: [litert]}", "inputs={t: {kind: text}}"
    with pytest.raises(RootstockError, match=r"cannot express the experts ngrams, .*trees"):
        load_spec(DIGITS, [formats, text])
    load_spec(DIGITS, [formats, text, "model.experts=none"])
    load_spec(DIGITS, [formats])  # an image


def test_two_mistakes_are_both_reported() -> None:
    with pytest.raises(RootstockError) as error:
        load_spec(DIGITS, ["training.epochs=0", "seed=-1"])
    assert len(str(error.value).splitlines()) == 2


def test_specs_do_not_import_tensorflow() -> None:
    code = (
        "import sys; from pathlib import Path; import pipeline.run;"
        "from pipeline.spec.load import load_spec;"
        f"load_spec(Path({str(DIGITS)!r}));"
        "print([m for m in ('tensorflow', 'keras', 'apache_beam', 'mlflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_json_schema_lists_methods_and_refuses_unknown_keys() -> None:
    schema = Spec.model_json_schema()
    json.dumps(schema)
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Uncertainty"]["additionalProperties"] is False
    parts = {"trunk", "trunks", "pretraining", "transfer", "sharing", "balancing", "experts"}
    parts |= {"last_word"}
    assert set(schema["$defs"]["Model"]["properties"]) == parts


@given(
    seed=st.integers(0, 2**31 - 1),
    epochs=st.integers(1, 1000),
    rate=st.floats(1e-9, 10),
    positive=st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=3),
)
def test_a_spec_survives_a_round_trip(
    seed: int, epochs: int, rate: float, positive: list[str]
) -> None:
    spec, _ = load_spec(DIGITS)
    content = spec.model_dump(mode="json")
    content.update(seed=seed)
    content["training"].update(epochs=epochs, learning_rate=rate)
    content["tasks"]["even"].update(positive=positive)
    once = Spec.model_validate(content)
    assert Spec.model_validate_json(once.model_dump_json()) == once
    assert once.training.learning_rate == rate


def test_only_images_are_augmented() -> None:
    spec, _ = load_spec(DIGITS, ["training.augment={shift: 0.1}"])
    assert spec.training.augment == Augment(shift=0.1)
    for overrides, message in (
        (["training.augment={}"], "training.augment: augment changes nothing"),
        (["training.augment={spin: 3}"], "training.augment.spin: unknown key"),
        (["training.augment={flip: true}", "inputs={t: {kind: text}}"], "no input is an image"),
        (
            ["training.augment={mixup: 0.2}", "inputs.x={kind: numeric}"],
            "Expected one image as the only input. Received: image, x",
        ),
    ):
        with pytest.raises(RootstockError, match=message):
            load_spec(DIGITS, overrides)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("auto", "auto"),
        ("none", ()),
        ("trees", ("trees",)),
        ("[linear,trees]", ("linear", "trees")),
    ],
)
def test_experts_are_named(given: str, expected: object) -> None:
    spec, _ = load_spec(DIGITS, [f"model.experts={given}"])
    assert spec.model.experts == expected


def test_an_unknown_expert_is_named() -> None:
    with pytest.raises(RootstockError, match=r"auto, none or some of .*Did you mean 'trees'"):
        load_spec(DIGITS, ["model.experts=[tress]"])


def test_setfit_needs_one_trunk_and_a_task_with_classes() -> None:
    setfit = "model.transfer=setfit"
    load_spec(DIGITS, [setfit])
    with pytest.raises(RootstockError, match=r"one trunk on pairs, but sharing cross_stitch"):
        load_spec(DIGITS, [setfit, "model.sharing=cross_stitch"])
    numbers = "tasks={a: {kind: regression, label: a}, b: {kind: count, label: b}}"
    balancing = "model.balancing=equal"
    with pytest.raises(RootstockError, match=r"multiclass task\. Received: regression, count\."):
        load_spec(DIGITS, [setfit, numbers, balancing])


TRUNKS = """\
name: offers
data: {sources: [{format: csv, path: rows.csv}]}
inputs:
  message: {kind: text}
  photo: {kind: image, height: 16, width: 16}
  price: {kind: numeric}
tasks: {spam: {kind: binary, label: label, positive: spam}}
model:
  trunks:
    message: {trunk: {name: keras_hub, preset: bert}, transfer: frozen}
    photo: {trunk: {name: applications, model: MobileNetV2}}
"""


def test_every_trunk_has_its_inputs_and_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(TRUNKS)
    (tmp_path / "bert").mkdir()
    spec, _ = load_spec(path)
    read = {key: [i.name for i in inputs] for key, _, inputs in spec.read_by_trunks()}
    assert read == {
        "model.trunks.message.trunk": ["message"],
        "model.trunks.photo.trunk": ["photo"],
        "model.trunk": ["price"],
    }
    modes = {name: part.mode and part.mode.name for name, part in spec.model.parts.items()}
    assert modes == {"message": "frozen", "photo": "fine_tune", "others": None}
    assert spec.model.whole_trunk.files() == (str(tmp_path / "bert"),)
    assert spec.model.embedded is not None

    spec, _ = load_spec(path, ["model.transfer=lora", "model.trunks.message.transfer=null"])
    modes = {name: part.mode and part.mode.name for name, part in spec.model.parts.items()}
    assert modes == {"message": "lora", "photo": "lora", "others": None}
    assert spec.model.embedded is None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.sharing=soft", "soft takes trunks apart, which it cannot do with several of them"),
        ("model.trunks.photo.transfer=setfit", r"setfit \(photo\) trains a single trunk on pairs"),
        ("model.trunks.photo.inputs=[foto]", "there is no input 'foto'. Did you mean 'photo'?"),
        ("model.trunks.text={trunk: scratch}", "State what it reads under `inputs`"),
        ("model.trunks.photo.inputs=[message]", "'message' is read by trunk 'message' already"),
        ("model.trunks.others={trunk: scratch, inputs: [price]}", "Expected another key than 'oth"),
        (
            "model.trunks.photo.trunk={name: keras_hub, preset: x, dtype: bfloat16}",
            "trunks.photo: trunk.dtype: bfloat16 is for `transfer: frozen`",
        ),
    ],
)
def test_trunks_that_cannot_be_joined_are_refused(
    tmp_path: Path, override: str, message: str
) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(TRUNKS)
    with pytest.raises(RootstockError, match=message):
        load_spec(path, [override])
