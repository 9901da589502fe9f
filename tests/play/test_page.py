"""The page in a real browser: frames move, keys act, nothing is said on the console, and it fits a phone."""

from __future__ import annotations

import time

import pytest

from tests.extras import need
from tests.play.scenes import table

need("uvicorn", "play")
need("websockets", "play")
from tests.play.test_server import TOKEN, serving  # noqa: E402

pytestmark = pytest.mark.slow

DESK, PHONE = 1200, 390
PICTURE = "id => document.getElementById(id).toDataURL()"

BOTH = f"() => ['left', 'right'].map({PICTURE})"  # at one moment

BEYOND = """() => [...document.querySelectorAll('body *')]
    .filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"""


class Page:
    """An open page, and what its console and its network heard."""

    def __init__(self, chromium, port, width=DESK):
        self.context = chromium.new_context(viewport={"width": width, "height": 900})
        self.page = self.context.new_page()
        self.heard: list[str] = []
        self.page.on("console", lambda message: self.heard.append(message.text))
        self.page.on("pageerror", lambda error: self.heard.append(str(error)))
        self.page.on("request", lambda request: self.heard.append(request.url))
        self.own = f"http://127.0.0.1:{port}/{TOKEN}/"
        self.page.goto(self.own)
        self.until(lambda: self.number("frame") >= 1)

    def until(self, held, seconds=30.0):
        end = time.monotonic() + seconds
        while not held():
            assert time.monotonic() < end, self.page.inner_text("body")[:500]
            time.sleep(0.05)

    def number(self, name):
        return float(self.page.evaluate("name => document.body.dataset[name] || 0", name))

    def text(self, selector):
        return self.page.inner_text(selector)

    @property
    def complaints(self):
        return [words for words in self.heard if not words.startswith((self.own, "data:", "blob:"))]


@pytest.fixture
def at(tmp_path):
    return table(tmp_path)


@pytest.fixture
def port(at):
    with serving(at) as port:
        yield port


def test_keys_move_both_sides_and_the_console_is_silent(chromium, port, at):
    page = Page(chromium, port)
    before = page.page.evaluate(BOTH)
    page.page.keyboard.down("ArrowRight")
    page.until(lambda: page.number("frame") >= 8)
    page.page.keyboard.up("ArrowRight")
    after = page.page.evaluate(BOTH)
    assert before[0] != after[0] and before[1] != after[1] and after[0] == after[1]  # the simulator dreams the truth
    assert at._session.truth.actions[-2][0] == 1 or at._session.truth.actions[2][0] == 1
    page.until(lambda: at._held[0] == 0)
    assert page.number("delay") > 0 and page.complaints == []
    page.context.close()


def test_buttons_sliders_and_the_policies_act(chromium, port, at):
    page = Page(chromium, port)
    page.page.locator(".axis .more").nth(2).dispatch_event("pointerdown", {"pointerId": 1})
    page.until(lambda: at._held[2] == 1)
    page.page.locator(".axis .more").nth(2).dispatch_event("pointerup", {"pointerId": 1})
    page.until(lambda: at._held[2] == 0)
    page.page.evaluate("navigator.getGamepads = () => [{axes: [0, -1, 0, 0], buttons: []}]")
    page.until(lambda: at._held[1] == 1)
    page.page.evaluate("navigator.getGamepads = () => []")
    page.until(lambda: at._held[1] == 0)
    page.page.click("[data-who=expert]")
    page.until(lambda: "solved" in page.text("#left-note"))
    page.page.click("#fork")
    page.until(lambda: "the expert knows the simulator alone" in page.text("#toasts"))
    page.until(lambda: "waits" in page.text("#left-note"))
    assert at._session.forked and at._session.driver == "person"
    page.page.click("#fork")
    page.until(lambda: not at._session.forked)
    page.page.click("#save")
    page.until(lambda: "Saved an episode" in page.text("#toasts"))
    page.page.click("#clip")
    page.until(lambda: page.page.locator("#toasts a").count() == 1)
    assert page.complaints == []
    page.context.close()


def test_the_page_comes_back_after_the_connection_was_lost(chromium, port, at):
    page = Page(chromium, port)
    page.page.click("#step")
    page.until(lambda: "step 1" in page.text("#left-note"))
    page.page.evaluate("socket.close()")
    page.until(lambda: "lost" in page.text("#toasts"))
    page.page.click("#step", timeout=10000)
    page.until(lambda: page.number("frame") >= 1 and "step" in page.text("#left-note"))
    assert len(at._session.steps) >= 1
    page.context.close()


def test_a_second_window_asks_before_it_takes_over(chromium, port):
    first, second = Page(chromium, port), None
    context = chromium.new_context()
    second = context.new_page()
    second.goto(first.own)
    second.get_by_text("open in another window").wait_for()
    second.click("#take")
    second.get_by_role("heading", name="hand/reach").wait_for()
    first.page.get_by_text("has taken over").wait_for()
    first.context.close()
    context.close()


@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_its_window(chromium, port, width, scheme):
    page = Page(chromium, port, width)
    page.page.emulate_media(color_scheme=scheme)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.page.evaluate(BEYOND) == []
    assert page.complaints == []
    page.context.close()
