// Looks at status pages with Chromium and says what a person would see:
//
//     node status_page.mjs FOLDER NAME=URL...
//
// Writes pictures to FOLDER: NAME.png, NAME-dark.png, and NAME-zoom.png as at 200 % on a screen 1280 wide. Prints
// {NAME: {text, lang, title, scripts, complaints, overflow, contrast, links, headers}}. Chromium is the system's own.

import { createRequire } from "node:module";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// The packages are installed apart from this file (setup.sh), where an import would not look for them.
const require = createRequire(new URL("../../target/third-party/node/", import.meta.url));
const { chromium } = require("playwright-core");

const [folder, ...pages] = process.argv.slice(2);
if (!folder || pages.length === 0) {
  console.error("usage: status_page.mjs FOLDER NAME=URL...");
  process.exit(64);
}

// Runs in the page: the least contrast of any text with what lies behind it (WCAG 2.2, 1.4.3).
function leastContrast() {
  const channels = (color) => color.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const linear = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = channels(getComputedStyle(at).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let least = 21;
  while (walker.nextNode()) {
    if (!walker.currentNode.data.trim()) continue;
    const element = walker.currentNode.parentElement;
    const [one, other] = [luminance(channels(getComputedStyle(element).color)), luminance(behind(element))];
    least = Math.min(least, (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05));
  }
  return least;
}

const profile = mkdtempSync(join(tmpdir(), "manntall-chromium-"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  viewport: { width: 1280, height: 900 },
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
const seen = {};
try {
  for (const item of pages) {
    const [name, url] = [item.slice(0, item.indexOf("=")), item.slice(item.indexOf("=") + 1)];
    const page = await context.newPage();
    const complaints = [];
    page.on("console", (message) => complaints.push(message.text()));
    page.on("requestfailed", (request) => complaints.push(`failed: ${request.url()}`));
    const asked = [];
    page.on("request", (request) => asked.push(request.url()));
    const answer = await page.goto(url);
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
    const contrast = [await page.evaluate(leastContrast)];
    const found = await page.evaluate(() => ({
      text: document.body.innerText,
      lang: document.documentElement.lang,
      title: document.title,
      verdict: document.querySelector(".verdict").innerText,
      scripts: document.scripts.length,
      charset: document.characterSet,
      links: [...document.links].map((link) => link.getAttribute("href")),
    }));
    await page.emulateMedia({ colorScheme: "dark" });
    contrast.push(await page.evaluate(leastContrast));
    await page.screenshot({ path: join(folder, `${name}-dark.png`), fullPage: true });
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize({ width: 640, height: 450 });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    await page.screenshot({ path: join(folder, `${name}-zoom.png`), fullPage: true });
    // A browser asks for the icon of a site by itself.
    const others = asked.filter((other) => other !== url && !other.endsWith("/favicon.ico"));
    seen[name] = { ...found, status: answer.status(), html: await answer.text(), complaints, overflow, contrast, others };
    await page.close();
  }
} finally {
  await context.close();
  rmSync(profile, { recursive: true, force: true });
}
console.log(JSON.stringify(seen));
