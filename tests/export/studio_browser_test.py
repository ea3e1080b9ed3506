"""The page in a real browser, on a tiny exported model: all tabs, by clicks and keys, without a request to outside."""

import json
import pathlib
import shutil
import signal
import socket
import time

import numpy as np
import pytest
import requests
from PIL import Image

from tests import processes
from tests.export import tiny_models

pytestmark = pytest.mark.nightly
pytest.importorskip("gradio", reason='the page needs Gradio: pip install ".[studio]"')
webdriver = pytest.importorskip("selenium.webdriver", reason="the browser is driven by selenium")

from selenium.common import exceptions  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHROMEDRIVER = shutil.which("chromedriver")
# The machine may have much else to do.
WAIT_SECONDS = 300
# While the page changes: another try finds the element that took the place of an old one.
PASSING = (exceptions.StaleElementReferenceException, exceptions.ElementClickInterceptedException,
           exceptions.ElementNotInteractableException)
WATCHED = pathlib.Path(__file__).with_name("watched_page.py")
# What has no name that a screen reader could say.
NAMELESS = """
return [...document.querySelectorAll('input, textarea, select, button')].filter(element => element.checkVisibility() &&
  !(element.labels?.length || element.getAttribute('aria-label') || element.getAttribute('aria-labelledby') ||
    element.title || element.textContent.trim() || element.querySelector('img')?.alt)).map(
      element => element.outerHTML.slice(0, 300));
"""


@pytest.fixture
def page():
    """The address of the page, and a function that ends it and returns what it wrote."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = processes.Process(WATCHED, f"--models={tiny_models.exported()}", f"--port={port}")

    def end():
        process.send_signal(signal.SIGTERM)
        return process.communicate()

    def there():
        assert process.poll() is None, process.communicate()
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0
    wait_until(there, "the page does not start")
    yield f"http://127.0.0.1:{port}/", end
    end()


@pytest.fixture
def browser(tmp_path):
    if not (CHROMIUM and CHROMEDRIVER):
        pytest.skip("there is no Chromium with its driver (apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,1400",
                     "--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(CHROMEDRIVER))
    yield Browser(driver)
    driver.quit()


def wait_until(condition, what):
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.1)


class Browser:
    """Clicks, and waits for what follows."""

    def __init__(self, driver):
        self.driver = driver

    def until(self, condition, what):
        """Waits until a function of nothing gives something true, which it returns."""
        return WebDriverWait(self.driver, WAIT_SECONDS, 0.1, PASSING).until(lambda _: condition(), what)

    def find(self, selector):
        """The first visible element, once there is one."""
        return self.until(lambda: next((each for each in self.driver.find_elements("css selector", selector)
                                        if each.is_displayed()), None), f"no {selector}")

    def click(self, selector):
        def clicked():
            self.find(selector).click()
            return True
        self.until(clicked, f"{selector} cannot be clicked")

    def pictures(self, selector):
        """Addresses of the pictures in an element, which follow from their content."""
        return self.driver.execute_script(
            "return [...document.querySelectorAll(arguments[0] + ' img')].filter(each => each.naturalWidth).map("
            "each => each.currentSrc)", selector)

    def wait_for_pictures(self, selector, others=(), count=1):
        """Pictures that are there, at least `count` of them and not `others`."""
        def there():
            found = self.pictures(selector)
            return found if len(found) >= count and found != list(others) else None
        return self.until(there, f"no new picture in {selector}")

    def requested(self):
        """Addresses that the browser has asked for since this was called the last time."""
        messages = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        return [message["params"]["request"]["url"] for message in messages
                if message["method"] == "Network.requestWillBeSent"]


def test_all_tabs_work_by_clicks_and_keys_and_nothing_leaves_the_machine(browser, page, tmp_path):
    driver, (address, end) = browser.driver, page
    driver.get(address)

    first = browser.wait_for_pictures("#drawn", count=8)
    browser.click("#draw_others")
    browser.wait_for_pictures("#drawn", first, count=8)
    assert browser.wait_for_pictures("#layers")

    browser.click("button[data-tab-id=photo]")
    (tmp_path / "text.png").write_text("no picture")
    driver.find_element("css selector", "#photo_file input[type=file]").send_keys(str(tmp_path / "text.png"))
    browser.until(lambda: "'text.png' cannot be read as a picture" in browser.find("[data-testid=toast-text]").text,
                  "no sentence on the text")
    browser.click("[data-testid=toast-close]")
    pixels = np.random.default_rng(0).integers(0, 256, (60, 100, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")

    def cleared():
        # One takes the word "Error" away, one the file.
        for clear in driver.find_elements("css selector", "#photo_file button[aria-label=Clear]"):
            clear.click()
        return driver.find_elements("css selector", "#photo_file input[type=file]")
    browser.until(cleared, "the file cannot be taken away")
    driver.find_element("css selector", "#photo_file input[type=file]").send_keys(str(tmp_path / "photo.png"))
    first = browser.wait_for_pictures("#photo_before")
    assert "2 faces were found" in browser.find("#photo_note").text
    assert browser.find("#photo_chart tbody tr").text
    browser.click("#photo_face label:nth-of-type(2)")
    browser.wait_for_pictures("#photo_before", first)
    unchanged, whole = browser.wait_for_pictures("#photo_after"), browser.wait_for_pictures("#photo_result")

    def moved():
        slider = browser.find("#photo_sliders input[type=range]")
        slider.send_keys(Keys.END)
        return float(slider.get_attribute("value")) == float(slider.get_attribute("max"))
    browser.until(moved, "the slider does not move")
    browser.find("#photo_change").send_keys(Keys.ENTER)
    browser.wait_for_pictures("#photo_after", unchanged)
    browser.wait_for_pictures("#photo_result", whole)
    assert driver.execute_script(NAMELESS) == []

    browser.click("button[data-tab-id=fill]")
    browser.click("#fill_same")
    browser.until(lambda: "2 faces were found" in browser.find("#fill_note").text, "the photo is not taken over")
    canvas = browser.find("#fill_editor canvas")

    def filled():
        # The editor takes strokes only once it has drawn the photo.
        ActionChains(driver).move_to_element_with_offset(canvas, -40, 0).click_and_hold().move_by_offset(
            15, 5).move_by_offset(15, 5).release().perform()
        browser.click("#fill_in")
        browser.until(lambda: driver.find_elements("css selector", "[data-testid=toast-text]") or
                      len(browser.pictures("#fill_whole")) == 3, "neither answers nor a sentence")
        for close in driver.find_elements("css selector", "[data-testid=toast-close]"):
            close.click()
        return len(browser.pictures("#fill_whole")) == 3
    browser.until(filled, "nothing is filled in")

    browser.click("button[data-tab-id=walk]")
    first = browser.wait_for_pictures("#walk_strip"), browser.wait_for_pictures("#walk_animated")
    browser.click("#walk_other")
    for selector, before in zip(("#walk_strip", "#walk_animated"), first, strict=True):
        browser.wait_for_pictures(selector, before)
    assert driver.execute_script(NAMELESS) == []

    # As a tab asks whose sliders the server has forgotten.
    forgotten = requests.post(f"{address}gradio_api/queue/join", timeout=60, json={
        "data": [], "fn_index": 10**6, "session_hash": "before"})
    assert forgotten.status_code == 410 and "give the photo again" in forgotten.json()["detail"]

    driver.set_window_size(500, 1000)  # the narrowest that a window of Chromium can be
    assert driver.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    asked = browser.requested()
    assert len([url for url in asked if url.startswith(address)]) > 20
    # Others are of the browser itself (chrome:) or in its memory (data:, blob:).
    assert [url for url in asked if url.startswith(("http", "ws")) and not url.startswith(address)] == []
    output, _ = end()
    assert address in output and "OUTSIDE" not in output
