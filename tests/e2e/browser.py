"""A headless Chromium, driven through chromedriver by the W3C WebDriver protocol. The standard library alone.

    with browser.Browser() as page:
        page.open(url); page.run("return document.title"); page.keys("j", "Enter"); page.resize(400, 800)
"""

import base64
import json
import os
import re
import select
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.request

import support

START_LIMIT_S = 30
# It talks to nobody, and runs as root.
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--no-first-run",
         "--disable-extensions", "--hide-scrollbars"]
KEYS = {"Enter": "\ue007", "Tab": "\ue004", "Escape": "\ue00c", "Home": "\ue011", "End": "\ue010", "Left": "\ue012",
        "Up": "\ue013", "Right": "\ue014", "Down": "\ue015", "PageUp": "\ue00e", "PageDown": "\ue00f",
        "Shift": "\ue008"}


class Browser:
    """A context manager; skips the test where there is no Chromium."""

    def __init__(self, dark=False, width=1200, height=900):
        driver = shutil.which("chromedriver")
        if not driver or not shutil.which("chromium"):
            raise unittest.SkipTest("there is no chromium with its driver (Debian: chromium chromium-driver)")
        self.profile = tempfile.TemporaryDirectory(prefix="forktrace-test.", ignore_cleanup_errors=True)
        environment = support.environment(HOME=self.profile.name, DISPLAY=None)
        self.process = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        start_new_session=True, env=environment, preexec_fn=support.die_with_tests)
        self.base = None
        try:
            self.base = f"http://127.0.0.1:{self.find_port()}/session"
            flags = [*FLAGS, f"--window-size={width},{height}", f"--user-data-dir={self.profile.name}/profile"]
            options = {"binary": shutil.which("chromium"), "args": flags}
            answer = self.call("POST", "", {"capabilities": {"alwaysMatch": {
                "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}})
            self.base += "/" + answer["sessionId"]
            self.devtools("Emulation.setEmulatedMedia",
                          features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
            self.resize(width, height)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        if self.base and not self.base.endswith("/session"):
            try:
                self.call("DELETE", "")
            except OSError:
                pass
        support.kill_session(self.process)
        self.process.stdout.close()
        self.profile.cleanup()

    def find_port(self):
        deadline = time.monotonic() + START_LIMIT_S
        output = b""
        while not (match := re.search(rb"started successfully on port (\d+)", output)):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            data = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not data:
                raise AssertionError(f"chromedriver did not start: {output.decode(errors='replace')}")
            output += data
        return int(match.group(1))

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            # No proxy of the environment's: this is this machine.
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(request, timeout=support.RUN_LIMIT_S) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.read().decode(errors='replace')[:2000]}") from None

    def devtools(self, command, **parameters):
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        """The value of a function body in the page; a promise is waited for."""
        wrapped = ("const done = arguments[arguments.length - 1]; const given = [...arguments].slice(0, -1);"
                   "Promise.resolve((function () {" + script + "}).apply(null, given))"
                   ".then(value => done({value}), error => done({error: String(error && error.stack || error)}));")
        answer = self.call("POST", "/execute/async", {"script": wrapped, "args": list(arguments)})
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer.get("value")

    def wait(self, script, *arguments):
        """Until it gives what is true; returns that."""
        deadline = time.monotonic() + support.EVENT_LIMIT_S
        while not (value := self.run(script, *arguments)):
            if time.monotonic() > deadline:
                raise AssertionError(f"never true: {script}")
            self.run("return new Promise(requestAnimationFrame)")
        return value

    def keys(self, *names):
        """Presses keys one after another; "Shift+Tab" holds the first one."""
        actions = []
        for name in names:
            held = name.split("+") if len(name) > 1 else [name]
            values = [KEYS.get(key, key) for key in held]
            actions += [{"type": "keyDown", "value": value} for value in values]
            actions += [{"type": "keyUp", "value": value} for value in reversed(values)]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def click(self, x, y):
        """At a place of the window, in CSS pixels."""
        move = {"type": "pointerMove", "duration": 0, "x": int(x), "y": int(y)}
        self.call("POST", "/actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": [
            move, {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]}]})

    def resize(self, width, height):
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                      mobile=False)

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("GET", "/screenshot")))

    def complaints(self):
        """What the page logged: errors of its script, and all that it asked of a network."""
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"})]
