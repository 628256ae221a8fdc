"""A headless Chromium for tests that open a page in it."""

import contextlib

from optional import require, require_program


@contextlib.contextmanager
def chromium():
    """Selenium's driver of it."""
    webdriver = require("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = require_program("chromium")
    for argument in ("--no-sandbox", "--headless", "--disable-gpu", "--disable-background-networking"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=require_program("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


def emulate_width(driver, width, height=800):
    """Show pages as a telephone of that width would; 0 ends it."""
    if width:
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": True})
    else:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def emulate_media(driver, media="", **features):
    """Show pages as on paper, or as to somebody who prefers the dark."""
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
        "media": media, "features": [{"name": name.replace("_", "-"), "value": v} for name, v in features.items()]})
