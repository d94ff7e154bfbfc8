"""Captions and prompts longer than a text encoder reads at once: in chunks, told, learnt and drawn."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest
import torch

from core import families
from core.bases import picture_base
from core.families import diffusion
from core.lora import preflight
from core.lora.image import prompts
from core.lora.image.sampler import Artist, sampling
from core.lora.train import train
from core.progress import outcome
from tests import original_layout

SHORT = "a boat on a river"


def words(count: int) -> str:
    """A caption of so many letters, each a token of its own in every vocabulary."""
    return " ".join("abcdefgh"[at % 8] for at in range(count))


@pytest.fixture(scope="module", params=["embedded", "sd15", "sdxl"])
def base(request, tmp_path_factory):
    """The name of a base: the embedded one, and single files of Stable Diffusion 1.x and XL."""
    if request.param == "embedded":
        return "embedded"
    place = tmp_path_factory.mktemp("base") / f"{request.param}.safetensors"
    return str(original_layout.write(request.getfixturevalue(request.param), place))


@pytest.fixture(scope="module")
def pipeline(base):
    return picture_base.load(base)


def plainly(pipeline, captions):
    """As it was before: cut to what the encoder reads at once, by the pipeline's own code."""
    with torch.no_grad():
        made = [pipeline.encode_prompt(c, device="cpu", num_images_per_prompt=1,
                                       do_classifier_free_guidance=False) for c in captions]  # fmt: skip
    found = {"prompt_embeds": torch.cat([one[0] for one in made])}
    return found | ({"pooled_prompt_embeds": torch.cat([one[2] for one in made])} if len(made[0]) > 2 else {})


def read(pipeline, captions):
    family = families.of(pipeline)
    with torch.no_grad():
        return family.embed(pipeline, family.tokenize(pipeline, captions))


def test_a_short_prompt_is_what_it_was_bit_by_bit(pipeline):
    for captions in (["", SHORT], [words(pipeline.tokenizer.model_max_length - 2)]):
        ours, theirs = read(pipeline, captions), plainly(pipeline, captions)
        one_by_one = [read(pipeline, [caption]) for caption in captions]
        assert ours.keys() == theirs.keys()
        for name, told in theirs.items():
            assert ours[name].shape == told.shape
            assert torch.equal(torch.cat([one[name] for one in one_by_one]), told)


def test_a_long_prompt_is_its_chunks_side_by_side(pipeline):
    """Each chunk is what the encoder makes of its words alone; the pooled vector is the first chunk's."""
    length = pipeline.tokenizer.model_max_length
    said = words(3 * (length - 2)).split()
    parts = [" ".join(said[at : at + length - 2]) for at in range(0, len(said), length - 2)]
    ours = read(pipeline, [" ".join(said[:-5])])
    parts[2] = " ".join(parts[2].split()[:-5])
    theirs = plainly(pipeline, parts)
    assert ours["prompt_embeds"].shape[:2] == (1, 3 * length)
    torch.testing.assert_close(ours["prompt_embeds"][0], theirs["prompt_embeds"].flatten(0, 1))
    if "pooled_prompt_embeds" in theirs:
        torch.testing.assert_close(ours["pooled_prompt_embeds"], theirs["pooled_prompt_embeds"][:1])


def test_shorter_ones_beside_it_are_filled_with_the_empty_prompt(pipeline):
    length = pipeline.tokenizer.model_max_length
    ours = read(pipeline, [SHORT, words(length)])["prompt_embeds"]
    alone, empty = plainly(pipeline, [SHORT, ""])["prompt_embeds"]
    torch.testing.assert_close(ours[0], torch.cat([alone, empty]))
    known = prompts.token_ids(pipeline, ["", SHORT, words(length)])
    held = outcome(prompts.embedded(pipeline, known, torch.device("cpu")))
    assert len(held[SHORT]["prompt_embeds"]) == length
    batch = prompts.batch(held, [SHORT, words(length)], torch.device("cpu"))
    torch.testing.assert_close(batch["prompt_embeds"], ours)
    ids = prompts.batch(known, [SHORT, words(length)], torch.device("cpu"))
    assert all(
        torch.equal(ids[k], v)
        for k, v in families.of(pipeline).tokenize(pipeline, [SHORT, words(length)]).items()
    )


def test_words_are_read_up_to_three_chunks_and_what_is_cut_is_known(pipeline):
    tokenizer, family = pipeline.tokenizer, families.of(pipeline)
    most = 3 * (tokenizer.model_max_length - 2)
    told = [family.chunked(tokenizer, words(count)) for count in (0, most // 3, most // 3 + 1, most)]
    assert told == [(1, ""), (1, ""), (2, ""), (3, "")]
    assert family.chunked(tokenizer, f"{words(most)} Zwei Rests") == (3, "Zwei Rests")
    assert torch.equal(
        *(family.tokenize(pipeline, [c])["text_encoder"] for c in (words(most), words(most) + " rest"))
    )


def test_the_tokenizer_before_loading_is_the_pipelines(base, pipeline):
    alone, whole = picture_base.read_tokenizer(base), pipeline.tokenizer
    assert alone.model_max_length == whole.model_max_length
    assert alone(words(30)).input_ids == whole(words(30)).input_ids


@pytest.mark.parametrize("name", ["tiny_base", "sdxl_folder"])
def test_the_end_of_a_long_prompt_is_drawn(name, request):
    artist = Artist(sampling(str(request.getfixturevalue(name)), [], 32, 32))
    length = artist.pipeline.tokenizer.model_max_length
    drawn = [artist.draw(f"{words(length)} {end}", 1).astype(int) for end in ("x", "y")]
    assert not np.array_equal(*drawn)
    beyond = [artist.draw(f"{words(3 * length)} {end}", 1) for end in ("x", "y")]
    assert np.array_equal(*beyond)
    assert list(artist.unread([SHORT, words(length)])) == []
    assert str(next(artist.unread([f"{words(3 * (length - 2))} y"]))).endswith(": y")


@pytest.fixture
def long_folder(picture_folder, tmp_path):
    """The six pictures, two with long captions: one of two chunks of the tiny base, one beyond three."""
    folder = shutil.copytree(picture_folder, tmp_path / "long")
    rows = list(csv.reader((folder / "metadata.csv").open(encoding="utf-8")))
    rows[1][1] = words(22 + 5)
    rows[2][1] = f"{words(66)} golden tail"
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder


def test_the_pre_flight_tells_of_long_captions_and_of_what_is_cut(image_settings, long_folder):
    plain = [str(line) for line in preflight.lines(image_settings())]
    told = [str(line) for line in preflight.lines(image_settings(train_data_dir=long_folder))]
    assert not any("chunks" in line or "too long" in line for line in plain)
    assert "2 captions are longer than the 22 tokens" in "\n".join(told)
    assert "3 chunks, as AUTOMATIC1111 does: 0.png, 1.png" in "\n".join(told)
    assert "The caption of 1.png is too long; this of it is not learnt: golden tail" in told


def test_the_log_tells_it_once(image_settings, long_folder):
    chosen = image_settings(train_data_dir=long_folder, max_steps=1)
    told = [str(step.text) for step in train(chosen) if step.text]
    assert sum("as AUTOMATIC1111 does" in line for line in told) == 1
    assert sum("golden tail" in line for line in told) == 1


def test_memory_is_counted_for_the_longest(image_settings, long_folder):
    def memory(**changes):
        return preflight.needs(image_settings(train_text_encoder=True, **changes)).memory

    assert memory(train_data_dir=long_folder) > memory()


@pytest.mark.parametrize("name", ["tiny_base", "sdxl_folder"])
@pytest.mark.parametrize("encoder", [False, True])
def test_a_training_learns_from_the_end_of_a_long_caption(
    name, encoder, request, recipe_of, image_settings, long_folder
):
    """Long and short captions share a batch; another end of the long one makes another loss and gradient."""
    size = {"resolution": 64} if name == "sdxl_folder" else {}
    chosen = image_settings(
        base_model=str(request.getfixturevalue(name)), train_data_dir=long_folder, flip=False,
        caption_dropout=0.0, train_text_encoder=encoder, **size,
    )  # fmt: skip
    recipe = recipe_of(chosen)
    long = max(recipe.words, key=len)
    at = [picture.caption for picture in recipe.pictures].index(long)
    places = (recipe.numbers.index(at), recipe.numbers.index(3))

    def learnt():
        recipe.loss(places, 0).backward()
        found = {}
        for group in recipe.groups():
            for parameter, p in group.parameters.items():
                if p.grad is not None:
                    found[parameter] = p.grad.clone()
                    p.grad = None
        return found

    first, same = learnt(), learnt()
    assert all(torch.equal(same[key], grad) for key, grad in first.items())
    assert any(grad.any() for key, grad in first.items() if "attn2" in key or "to_" in key)
    length = diffusion.CHUNKS * recipe.pipeline.tokenizer.model_max_length
    if name == "tiny_base":
        assert len(next(iter(recipe.words[long].values()))) == length
    held = recipe.words[long]
    key = "text_encoder" if encoder else "prompt_embeds"
    changed = held[key].clone()
    changed[-4:-1] = changed[1:4]
    recipe.words[long] = held | {key: changed}
    second = learnt()
    assert any(not torch.equal(first[key], second[key]) for key in first)


def test_long_captions_are_kept_by_all_their_words(image_settings, long_folder, recipe_of, own_cache):
    """Those that differ behind the first chunk only have encodings of their own, known at the next run."""
    first = recipe_of(image_settings(train_data_dir=long_folder)).words
    again = recipe_of(image_settings(train_data_dir=long_folder)).words
    for caption, told in first.items():
        assert all(torch.equal(again[caption][name], values) for name, values in told.items())
    text = (long_folder / "metadata.csv").read_text(encoding="utf-8")
    (long_folder / "metadata.csv").write_text(text.replace(words(27), f"{words(26)} y"), encoding="utf-8")
    other = recipe_of(image_settings(train_data_dir=long_folder)).words
    assert not torch.equal(other[f"{words(26)} y"]["prompt_embeds"], first[words(27)]["prompt_embeds"])
