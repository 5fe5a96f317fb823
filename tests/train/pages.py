"""What a page of HTML refers to, and what a browser makes of it and asks for."""

import base64
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NO_NETWORK = ["--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking", "--disable-component-update"]
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-sync",
    "--virtual-time-budget=5000",
]
ASKED = "URL_REQUEST_START_JOB"
BY_ITSELF = "not an origin"
"""Who asks where the browser does so for itself."""
REFERRING = (
    "src", "href", "xlink:href", "srcset", "data", "action", "formaction", "poster", "background", "cite", "ping",
    "manifest", "longdesc", "archive", "codebase",
)  # fmt: skip
"""Attributes that hold an address."""
IN_CSS = re.compile(r"url\(\s*[\"']?([^\"')]*)|@import\s*[\"']([^\"']*)")


class References(HTMLParser):
    """Elements of a page, and the addresses in its attributes and styles; of SVG in `data:` addresses as well."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.handlers: set[str] = set()
        self.addresses: list[str] = []
        self._styles = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        self._styles = tag == "style"
        leads = {"content"} if "http-equiv" in dict(attrs) else set()
        for name, value in attrs:
            if name.startswith("on"):
                self.handlers.add(name)
            if name in leads.union(REFERRING):
                self._add(value or "")
            self._add_css(value or "")

    def handle_endtag(self, tag):
        self._styles = False

    def handle_data(self, data):
        if self._styles:
            self._add_css(data)

    def _add_css(self, text):
        for found in IN_CSS.findall(text):
            self._add("".join(found))

    def _add(self, address):
        kind, _, content = address.partition(";base64,")
        if kind == "data:image/svg+xml":
            inner = References(base64.b64decode(content).decode())
            self.elements |= inner.elements
            self.handlers |= inner.handlers
            self.addresses += inner.addresses
        self.addresses.append(address)

    def elsewhere(self) -> list[str]:
        """Addresses that are neither in the page nor written out in it."""
        return [address for address in self.addresses if not address.startswith(("data:", "#"))]


def viewed(page: str, folder: Path) -> tuple[list[int], list[str]]:
    """Widths of the pictures of a page that a browser without network shows, and the addresses that it asked for."""
    told = "[...document.images].map(i => i.naturalWidth), performance.getEntriesByType('resource').map(e => e.name)"
    probe = f"<script>onload = () => {{ document.title = JSON.stringify([{told}]) }}</script>"
    (folder / "probed.html").write_text(page.replace("</body>", probe + "</body>"))
    command = [
        CHROMIUM,
        *QUIET,
        *NO_NETWORK,
        f"--user-data-dir={folder / 'profile'}",
        f"--log-net-log={folder / 'net'}",
    ]
    command += ["--dump-dom", (folder / "probed.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    widths, loaded = json.loads(done.stdout.partition("<title>")[2].partition("</title>")[0])
    return widths, sorted({*(name for name in loaded if not name.startswith("data:")), *_asked(folder / "net")})


def _asked(log: Path) -> list[str]:
    """Addresses that a page asked the network for."""
    content = json.loads(log.read_text())
    kind = content["constants"]["logEventTypes"][ASKED]
    own = [event.get("params", {}) for event in content["events"] if event["type"] == kind]
    return [params["url"] for params in own if "url" in params and params["initiator"] != BY_ITSELF]
