// Ten thousand deliveries: few rows in the document, and memory that stays flat.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deliver, openPage, startBrowser, startDev } from './harness.mjs';

const SENDERS = 16;
const ROWS_MAX = 100;
/** The memory may grow by so much between two floods of the same size: a fifth, and what the engine itself keeps. */
const GROWTH = 1.2;
const SLACK = 1 << 20;

const dev = await startDev('--no-samples');
const browser = await startBrowser();
const page = await openPage(browser, dev);
const devtools = await page.context().newCDPSession(page);
await devtools.send('Performance.enable');

/** Sends so many deliveries, one of twenty of which is refused. */
async function flood(number) {
  let left = number;
  const send = async () => {
    while (left > 0) {
      left -= 1;
      await deliver(dev, left % 20 === 0 ? { headers: {} } : {});
    }
  };
  await Promise.all(Array.from({ length: SENDERS }, send));
}

/** Returns the used memory of the page's script, after a collection. */
async function memory() {
  await devtools.send('HeapProfiler.collectGarbage');
  const { metrics } = await devtools.send('Performance.getMetrics');
  return metrics.find((it) => it.name === 'JSHeapUsedSize').value;
}

/** Waits until the page has counted so many requests. */
const counted = (number) => page.locator('#kept', { hasText: `of ${number.toLocaleString('en')} seen` }).waitFor();

test('ten thousand deliveries', async () => {
  let most = 0;
  let isOver = false;
  const watched = (async () => {
    while (!isOver) {
      most = Math.max(most, await page.locator('#sizer [role=row]').count());
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  })();
  await flood(5000);
  await counted(5000);
  const half = await memory();
  await flood(5000);
  await counted(10_000);
  const whole = await memory();
  isOver = true;
  await watched;
  assert.ok(most > 10 && most < ROWS_MAX, `${most} rows in the document`);
  assert.ok(whole < half * GROWTH + SLACK, `${half} bytes after half of them, ${whole} after all`);
  const strip = (await dev.api('/api/requests?after=0')).strip;
  assert.equal(strip.seen, 10_000);
  assert.equal(await page.locator('#count-refused').innerText(), `✗ ${strip.refused} refused`);
});

test('in a quiet moment the list has every row that the daemon keeps', async () => {
  const { rows } = await dev.api('/api/requests?after=0');
  // The head of the list is a row, too.
  await page.locator(`#grid[aria-rowcount="${rows.length + 1}"]`).waitFor();
  await page.focus('#grid');
  await page.keyboard.press('End');
  await page.locator('#sizer [aria-selected=true]').waitFor();
  assert.ok((await page.locator('#sizer [role=row]').count()) < ROWS_MAX);
  assert.deepEqual(page.faults, []);
});

test('a tab that is not seen asks nothing, and catches up when it is', async () => {
  let asked = 0;
  page.on('request', (request) => request.url().includes('/api/requests?') && (asked += 1));
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { configurable: true, value: true });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await page.waitForTimeout(500);
  const before = asked;
  await flood(20);
  await page.waitForTimeout(1000);
  assert.equal(asked, before);
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { configurable: true, value: false });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await counted(10_020);
});
