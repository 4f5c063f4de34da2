"""-f html: the page, in a headless Chromium."""

import json
import os
import pathlib
import re
import tempfile
import unittest

import browser
import support
import test_formats

READY = "return document.documentElement.dataset.ready"
PLACES = """return [...document.querySelectorAll('#details .side.%s')].map(side =>
[...side.querySelectorAll('li')].map(line => line.querySelector('bdi').textContent))"""


class Page(unittest.TestCase):
    """One browser for all tests of a class."""

    dark = False
    size = (1200, 900)

    @classmethod
    def setUpClass(cls):
        cls.browser = browser.Browser(cls.dark, *cls.size)
        cls.addClassCleanup(cls.browser.close)
        temporary = tempfile.TemporaryDirectory(prefix="forktrace-test.")
        cls.addClassCleanup(temporary.cleanup)
        cls.directory = pathlib.Path(temporary.name)

    def show(self, page):
        """Opens a page (bytes), which must not complain."""
        path = self.directory / "page.html"
        path.write_bytes(page)
        self.browser.open(f"file://{path}")
        self.browser.wait(READY)
        self.assertEqual(self.browser.complaints(), [])
        return self.browser

    def page_of(self, record):
        path = self.directory / "record.jsonl"
        path.write_bytes(record)
        status, stdout, stderr = support.run_command([support.FORKTRACE, f"--from={path}", "-f", "html"])
        self.assertEqual((status, stderr), (0, b""))
        return stdout

    def trace(self, name, options=()):
        return support.trace([support.target("x86_64", name)], options)

    def names(self, frames):
        return [frame["symbol"] or frame["pc"] for frame in reversed(frames or [])]

    def focus(self, name):
        self.browser.run("document.getElementById(arguments[0]).focus()", name)


class Forks(Page):
    def test_both_stacks(self):
        """By keys alone: each fork's stacks, border and kernel stacks are the record's."""
        run = self.trace("test_nested")
        page = self.show(self.page_of(run.report))
        self.assertIn("14 forks", page.run("return document.getElementById('totals').textContent"))
        self.focus("list")
        for fork in run.forks():
            self.assertEqual(page.run(PLACES % "user"),
                             [self.names(fork[side]["frames"]) for side in ("parent", "child")])
            title = page.run("return document.getElementById('details-title').textContent")
            self.assertIn(f"{fork['parent']['tid']} \u2192 {fork['child']['tid']}", title)
            text = page.run("return document.getElementById('details').innerText")
            self.assertIn(f"returned {fork['child']['pid']}", text)
            self.assertIn("returned 0", text)
            if fork["kernel"]["parent_frames"]:
                self.assertIn(f"user / kernel: {fork['entry']}", text)
                self.assertEqual(page.run(PLACES % "kernel")[0], self.names(fork["kernel"]["parent_frames"]))
            page.keys("Down")
        page.keys("Enter")
        self.assertEqual(page.run("return document.activeElement.id"), "details-title")

    def test_pointer(self):
        run = self.trace("test_nested", ["-k", "none"])
        page = self.show(self.page_of(run.report))
        box = page.run("const box = document.getElementById('canvas').getBoundingClientRect();"
                       "return [box.left, box.top]")
        page.click(box[0] + 20, box[1] + 24 + 22 * 1.5)  # the second row: what the first fork made
        first = run.forks()[0]
        title = page.run("return document.getElementById('details-title').textContent")
        self.assertIn(f"{first['parent']['pid']} \u2192 {first['child']['pid']}", title)
        self.assertEqual(page.run("return document.querySelector('[aria-selected=true]').dataset.index"), "0")
        box = page.run("const box = document.querySelectorAll('.option')[3].getBoundingClientRect();"
                       "return [box.left + 9, box.top + 9]")
        page.click(*box)
        self.assertIn("fork 4:", page.run("return document.getElementById('details-title').textContent"))

    def test_zoom(self):
        page = self.show(self.page_of(self.trace("test_nested", ["-k", "none"]).report))
        picture = "return document.getElementById('canvas').toDataURL()"
        frame = "return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))"
        self.focus("timeline")
        seen = []
        for keys in [], ["+"], ["+"], ["Right"], ["-"], ["0"]:
            page.keys(*keys)
            page.run(frame)
            seen.append(page.run(picture))
        self.assertEqual(len(set(seen[:5])), 5)
        self.assertEqual(seen[0], seen[5])

    def test_guest(self):
        run = support.trace([support.built_target("i386", "test_fork")], support.guest_options(),
                            env=support.guest_environment())
        page = self.show(self.page_of(run.report))
        self.focus("list")
        rows = page.run("return [...document.querySelectorAll('.walk tbody tr')].map(row => row.cells[0].textContent)")
        self.assertEqual(rows, [step["stage"] for step in run.forks()[0]["kernel"]["walk"]])

    def test_other_events_and_filter(self):
        run = support.trace(["sh", "-c", f"{support.target('x86_64', 'test_fail')}; {support.target('x86_64', 'test_nested')}"],
                            ["-k", "none"])
        page = self.show(self.page_of(run.report))
        count = "return Number(document.querySelector('.option').getAttribute('aria-setsize'))"
        failed = len(run.of("fork-failed"))
        self.assertGreater(failed, 0)
        self.assertEqual(page.run(count), len(run.forks()) + failed)
        self.focus("others")
        page.keys(" ")
        self.assertEqual(page.run(count), len(run.events) - 2)
        page.keys(" ")
        self.focus("filter")
        page.keys(*"spoon")
        self.assertIn("0 of ", page.run("return document.getElementById('count').textContent"))
        self.assertIsNone(page.run("return document.querySelector('.option')"))
        page.run("const box = document.getElementById('filter'); box.value = 'grow';"
                 "box.dispatchEvent(new Event('input'))")
        self.assertEqual(page.run(count), 14)  # grow() is a function of test_nested

    def test_cut_off(self):
        """What a killed run wrote is shown, wherever it ends."""
        whole = self.page_of(self.trace("test_nested", ["-k", "none"]).report)
        begin = whole.index(b'id="record"') + 20
        end = whole.rindex(b"</script>")
        for size in begin, (begin + end) // 2, end - 30, end:
            page = self.show(whole[:size])
            self.assertFalse(page.run("return document.getElementById('warning').hidden") and size < end)
        self.show(whole[:(begin + end) // 2])
        self.focus("list")
        self.assertIn("fork 1", page.run("return document.getElementById('details-title').textContent"))


class Access(Page):
    """For screen readers and keyboards."""

    def test_names(self):
        """All that takes the focus has a role and a name, in the order of reading."""
        page = self.show(self.page_of(self.trace("test_nested", ["-k", "none"]).report))
        self.focus("list")
        tree = page.devtools("Accessibility.getFullAXTree")["nodes"]
        value = lambda node, key: node.get(key, {}).get("value")
        seen = [(value(node, "role"), value(node, "name")) for node in tree if not node.get("ignored")]
        for node in tree:
            if any(each["name"] == "focusable" and each["value"]["value"] for each in node.get("properties", ())):
                self.assertTrue(value(node, "name"), node)
        for expected in (("heading", "Timeline"), ("heading", "Forks"), ("button", "Zoom in"), ("listbox", "Forks"),
                         ("searchbox", "Filter"), ("checkbox", "Other events")):
            self.assertIn(expected, seen)
        options = [name for role, name in seen if role == "option"]
        self.assertTrue(options)
        self.assertRegex(options[0], r"^fork 1: test_nested \d+ → \d+ returned \d+ and 0, at ")

    def test_focus_order(self):
        page = self.show(self.page_of(self.trace("test_nested", ["-k", "none"]).report))
        seen = []
        for _ in range(9):
            page.keys("Tab")
            seen.append(page.run("return document.activeElement.id || document.activeElement.className"))
        self.assertEqual(seen, ["skip", "zoom-in", "zoom-out", "zoom-all", "timeline", "filter", "others", "list",
                                "addresses"])

    def test_active_option(self):
        """The chosen option exists, wherever the list is scrolled to."""
        page = self.show(self.page_of(self.trace("test_storm", ["-k", "none"]).report))
        self.focus("list")
        for key, index in ("End", 199), ("Up", 198), ("Home", 0), ("PageDown", None), ("Down", None):
            page.keys(key)
            option = page.run("const list = document.getElementById('list'), id = list.getAttribute('aria-activedescendant');"
                              "const option = document.getElementById(id);"
                              "return [option.getAttribute('aria-selected'), Number(option.dataset.index)]")
            self.assertEqual(option[0], "true")
            self.assertIn(option[1], (index,) if index is not None else range(1, 50))


CONTRAST = r"""
const style = getComputedStyle(document.documentElement);
const light = name => {
	const hex = style.getPropertyValue("--" + name).trim();
	const [r, g, b] = [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16) / 255)
		.map(part => part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4);
	return .2126 * r + .7152 * g + .0722 * b;
};
const ratio = (one, other) => (Math.max(light(one), light(other)) + .05) / (Math.min(light(one), light(other)) + .05);
return ["ink", "soft", "bad", "warn", "good", "accent"].map(name => [name, ratio(name, "paper"), ratio(name, "panel"), ratio(name, "chosen")]);
"""


class Light(Page):
    paper = "rgb(255, 255, 255)"

    def test_colours(self):
        page = self.show(self.page_of(self.trace("test_nested", ["-k", "none"]).report))
        self.assertEqual(page.run("return getComputedStyle(document.body).backgroundColor"), self.paper)
        for name, *ratios in page.run(CONTRAST):
            self.assertGreaterEqual(min(ratios), 4.5, name)  # WCAG 2.1, 1.4.3

    def test_width(self):
        """Nothing needs scrolling sideways but what scrolls by itself."""
        for width, height in (320, 640), (390, 844), (719, 800), (1000, 700), (1920, 1080):
            self.browser.resize(width, height)
            page = self.show(self.page_of(self.trace("test_nested").report))
            self.focus("list")
            self.assertLessEqual(page.run("return document.documentElement.scrollWidth"), width)


class Dark(Light):
    dark = True
    paper = "rgb(21, 23, 27)"


class Hostile(Page):
    def test_names(self):
        formats = test_formats.Formats()
        formats.directory = self.directory
        path = self.directory / "out.html"
        status, _, stderr = support.run_command(
            [support.FORKTRACE, "-k", "none", "-f", "html", "-o", path, *formats.nasty_command()])
        self.assertEqual((status, stderr), (0, b""))
        data = path.read_bytes()
        record = data[data.index(b'id="record">') + 12:data.rindex(b"</script>")]
        self.assertEqual(re.findall(rb"[^\x20-\x7e\n]|<", record), [])
        page = self.show(data)
        self.assertEqual(page.run("return ['script', 'style', 'img', 'b', 'title', 'bdi'].map(name => "
                                  "document.querySelectorAll(name).length)"), [2, 1, 0, 0, 1, 0])
        self.focus("others")
        page.keys(" ")
        self.focus("list")
        told = ""
        total = page.run("return Number(document.querySelector('.option').getAttribute('aria-setsize'))")
        for _ in range(total):
            told += page.run("return document.body.innerText + document.title") + "\n"
            page.keys("Down")
        self.assertEqual(re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", told), [])
        for raw, shown in test_formats.NASTY.items():
            if b"\xff" in raw:  # JSON keeps no bytes that are not text
                shown = "\ufffd\ufffd\ufffdok"
            self.assertTrue(shown in told, shown)
        self.assertEqual(page.complaints(), [])

    def test_no_network(self):
        page = self.show(self.page_of(self.trace("test_fork").report))
        self.assertEqual(page.run("return performance.getEntriesByType('resource').map(entry => entry.name)"), [])
        error = page.run("return fetch('data:text/plain,x').then(() => 'asked', error => 'refused')")
        self.assertEqual(error, "refused")
        page.complaints()


class Many(Page):
    @support.time_limit(120)
    def test_ten_thousand(self):
        """What a frame costs depends on what is in sight: few elements, few strokes, whatever there is."""
        many = test_formats.Many()
        many.directory = self.directory
        path = many.make_record(10000)
        page = self.show(self.page_of(path.read_bytes()))
        counted = page.run("""
            let calls = 0;
            for (const name of ["fill", "stroke", "fillRect", "strokeRect", "fillText"]) {
                const plain = CanvasRenderingContext2D.prototype[name];
                CanvasRenderingContext2D.prototype[name] = function (...given) { calls++; return plain.apply(this, given); };
            }
            const frame = () => new Promise(requestAnimationFrame);
            const timeline = document.getElementById("timeline"), list = document.getElementById("list");
            return (async () => {
                const most = [0, 0, 0];
                for (let i = 0; i < 20; i++) {
                    timeline.scrollTop = timeline.scrollHeight * i / 20;
                    list.scrollTop = list.scrollHeight * i / 20;
                    calls = 0;
                    await frame(); await frame();
                    most[0] = Math.max(most[0], calls);
                    most[1] = Math.max(most[1], document.querySelectorAll("*").length);
                    most[2] += calls;
                }
                return [...most, timeline.scrollHeight, list.scrollHeight];
            })()""")
        self.assertGreater(counted[2], 0)
        self.assertLess(counted[0], 6000)
        self.assertLess(counted[1], 300)
        self.assertGreater(counted[3], 10000 * 20)
        self.assertEqual(counted[4], 10000 * 46)
        self.focus("list")
        page.keys("End")
        self.assertEqual(page.run("return document.getElementById('list').getAttribute('aria-activedescendant')"),
                         "option-9999")
        self.assertIn("fork 10000:", page.run("return document.getElementById('details-title').textContent"))
