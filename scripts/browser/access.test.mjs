// axe finds nothing: in both themes, on a screen and on a phone, in every tab and every panel.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { deliver, openPage, request, show, startBrowser, startDev, tab } from './harness.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TABS = ['Proof', 'Body', 'Headers', 'Event', 'Kafka', 'Answer'];

const dev = await startDev();
await deliver(dev);
await deliver(dev, { headers: {} });
const good = await request(dev, (it) => it.outcome === 'published' && it.origin === 'webhook');
const bad = await request(dev, (it) => it.outcome === 'missing_signature');
const browser = await startBrowser();

/** Checks the page as it is. */
async function check(page, what) {
  // Its own policy keeps the page from loading axe, so the driver brings it.
  await page.evaluate(AXE);
  const { violations, passes } = await page.evaluate(() => window.axe.run());
  const found = violations.map((it) => `${what}: ${it.id}: ${it.help}: ${it.nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`);
  assert.deepEqual(found, []);
  assert.ok(passes.length > 15, `${what}: axe has looked at something`);
}

/** Fails where something that can be pressed is smaller than 24 pixels, or the page is wider than its window. */
async function checkSizes(page, what) {
  const small = await page.evaluate(() => {
    const all = [...document.querySelectorAll('button, input, summary, [role=tab], #sizer [role=row]')].map((it) => [it, it.getBoundingClientRect()]);
    const shown = all.filter(([, box]) => box.width > 0);
    return shown.filter(([it, box]) => box.height < 24 || (box.width < 24 && it.type !== 'checkbox')).map(([it]) => it.outerHTML.slice(0, 120));
  });
  assert.deepEqual(small, [], what);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, `${what}: scrolls sideways`);
}

for (const colorScheme of ['light', 'dark']) {
  for (const width of [1280, 390]) {
    test(`${colorScheme}, ${width} pixels`, async () => {
      const page = await openPage(browser, dev, { colorScheme, viewport: { width, height: 800 } });
      const where = `${colorScheme} ${width}`;
      await check(page, `${where} list`);
      await checkSizes(page, `${where} list`);
      for (const { n } of [good, bad]) {
        await show(page, n);
        for (const name of TABS) {
          await tab(page, name);
          await check(page, `${where} #${n} ${name}`);
          await checkSizes(page, `${where} #${n} ${name}`);
        }
      }
      for (const [opener, opened] of [['#copy', '#menu'], ['#send', '#samples'], ['#help-button', '#help']]) {
        await page.click(opener);
        await page.locator(opened).waitFor();
        await check(page, `${where} ${opened}`);
        await page.keyboard.press('Escape');
      }
      assert.deepEqual(page.faults, []);
      await page.context().close();
    });
  }
}

test('an ended session', async () => {
  const page = await openPage(browser, dev);
  await page.evaluate(() => localStorage.setItem('hookgate-session', '0'.repeat(32)));
  await page.reload();
  await page.getByText('This session has ended').waitFor();
  await check(page, 'ended');
  await page.context().close();
});
