from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter

from models.inputs.encodings import ByName, Tokens, Words
from models.inputs.image import ImageFeature
from models.inputs.numeric import NumericFeature, NumericInput
from models.inputs.text import TextFeature, TextInput
from models.multitask.by_input import OTHERS, ByInput
from models.trunks.applications import Applications
from models.trunks.keras_hub import KerasHub
from models.trunks.scratch import Scratch

SUBJECT = TextInput(name="subject")
PHOTO = ImageFeature(name="photo", column="p", height=4, width=4, channels=3)
SIZE = NumericFeature(name="size", column="s", mean=0, deviation=1)
TEXT = TextFeature(name="subject", column="t", length=3, vocabulary=("a",))
TRUNK = ByInput(
    trunks={
        "texts": KerasHub(preset="minilm"),
        "photo": Applications(model="VGG16"),
        OTHERS: Scratch(),
    },
    inputs={"texts": ("subject", "body"), "photo": ("photo",)},
    fixed=("texts",),
)


def test_each_part_reads_its_inputs_and_the_last_one_the_others() -> None:
    groups = TRUNK.grouped((SIZE, PHOTO, TEXT))
    assert groups == {"texts": (TEXT,), "photo": (PHOTO,), OTHERS: (SIZE,)}
    assert list(groups) == ["texts", "photo", OTHERS]
    assert TRUNK.beside_stored((SIZE, PHOTO, TEXT)) == (PHOTO, SIZE)
    assert TRUNK.only_fixed().grouped((SIZE, PHOTO, TEXT)) == {"texts": (TEXT,)}


def test_each_input_is_prepared_as_its_trunk_needs_it() -> None:
    reading = TRUNK.reading()
    assert isinstance(reading, ByName)
    assert isinstance(reading.of("body"), Tokens)
    assert reading.of("photo") == reading.of("size") == Words()


def test_problems_name_the_part(tmp_path: Path) -> None:
    photo = Applications(model="VGG16", weights=str(tmp_path / "none"))
    trunk = ByInput(trunks={"photo": photo, OTHERS: Scratch()}, inputs={"photo": ("size",)})
    wrong, missing = trunk.check((NumericInput(name="size"), SUBJECT))
    assert wrong == "photo: keras.applications.VGG16 reads images, but inputs.size is numeric."
    assert missing.startswith("photo: VGG16: weights")


def test_a_record_finds_the_files_of_each_part(tmp_path: Path) -> None:
    saved = TRUNK.with_saved_files(tmp_path)
    read = TypeAdapter(ByInput).validate_json(TypeAdapter(ByInput).dump_json(saved))
    assert read == saved
    text, photo = (saved.trunks[name] for name in ("texts", "photo"))
    assert isinstance(text, KerasHub)
    assert (text.preset, text.pretrained) == (str(tmp_path / "texts"), False)
    assert not photo.pretrained
