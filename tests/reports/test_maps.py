"""Maps of scenes: who is under the pointer or the keys shows its picture, without a script."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from wm_lab.reports.maps import save_hoverable, scene_maps
from wm_lab.reports.page import write_page

SCENES = 5


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    rng = np.random.default_rng(0)
    flat = {name: rng.normal(size=(SCENES, 2)) for name in ("PCA", "t-SNE")}
    colours = {"goal": rng.random(SCENES), "phase": np.array(["a", "b", "a", "b", "a"])}
    images = np.stack([np.full((8, 8, 3), 40 * i, np.uint8) for i in range(SCENES)])
    path = tmp_path_factory.mktemp("maps") / "scenes.svg"
    return save_hoverable(scene_maps(flat, colours, "Scenes"), path, [f"scene {i}" for i in range(SCENES)], images)


def test_keys_go_over_every_scene_once_and_the_pointer_over_all_maps(file):
    svg = file.read_text()
    ElementTree.fromstring(svg)
    assert svg.count('class="scene ') == 4 * SCENES and svg.count('tabindex="0"') == SCENES
    assert svg.count("<image ") == SCENES, "pictures are held once"
    assert svg.count('class="thumbnail ') == 2 * SCENES, "and appear beside each row"


SHOWN = "[...document.querySelectorAll('.thumbnail')].filter(e => getComputedStyle(e).display != 'none').length"


@pytest.mark.slow
def test_a_picture_appears_under_the_pointer_and_the_keys(chromium, file, tmp_path):
    page = chromium.new_page(viewport={"width": 900, "height": 700})
    page.goto(write_page(tmp_path / "page.html", "maps", figures={"scenes": file}).as_uri())
    assert page.evaluate(SHOWN) == 0
    page.locator(".s3").nth(3).hover(force=True)
    assert page.evaluate(SHOWN) == 2
    page.mouse.move(1, 1)
    assert page.evaluate(SHOWN) == 0
    page.keyboard.press("Tab")  # the way to the words
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "scene 0"
    assert page.evaluate(SHOWN) == 2
    page.close()
