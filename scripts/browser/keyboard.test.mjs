// Everything with the keyboard alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deliver, openPage, startBrowser, startDev, until } from './harness.mjs';

const dev = await startDev('--no-samples');
for (let at = 0; at < 12; at += 1) await deliver(dev, at % 4 === 1 ? { headers: {} } : {});
const browser = await startBrowser();
const page = await openPage(browser, dev);
await until(async () => (await page.locator('#sizer [role=row]').count()) === 12);

const press = (key) => page.keyboard.press(key);
const chosen = () => page.locator('#sizer [aria-selected=true]').getAttribute('data-n', { timeout: 5000 }).then(Number);
const focus = () => page.evaluate(() => document.activeElement?.id);
/** Waits until the detail is that of a request. */
const shows = (n) => page.locator('#detail:not([aria-busy]) #detail-title', { hasText: `#${n} ` }).waitFor();

test('Tab reaches every part, and no key is taken from it', async () => {
  const reached = new Set();
  for (let at = 0; at < 40; at += 1) {
    await press('Tab');
    reached.add(await focus());
  }
  for (const id of ['filter', 'follow', 'pause', 'clear', 'send', 'grid', 'help-button']) assert.ok(reached.has(id), id);
});

test('j and k choose, arrows only with the focus in the list', async () => {
  await page.locator('body').click({ position: { x: 5, y: 5 } });
  await press('j');
  await shows(12);
  await press('j');
  await shows(11);
  await press('k');
  await shows(12);
  await page.focus('#follow');
  await press('ArrowDown');
  assert.equal(await chosen(), 12);
  await page.focus('#grid');
  await press('ArrowDown');
  await shows(11);
  await press('End');
  await shows(1);
  await press('Home');
  await shows(12);
  assert.equal(await page.getAttribute('#grid', 'aria-activedescendant'), 'row-12');
});

test('n and N go from refusal to refusal', async () => {
  await press('n');
  await shows(10);
  await press('n');
  await shows(6);
  await press('N');
  await shows(10);
});

test('Enter goes to the detail, Escape back to the same row', async () => {
  await page.focus('#grid');
  await press('Enter');
  assert.equal(await focus(), 'panel');
  await press('Escape');
  assert.equal(await focus(), 'grid');
  assert.equal(await chosen(), 10);
});

test('1 to 6 choose a tab, and the arrows go through them', async () => {
  for (const [key, name] of [['2', 'Body'], ['5', 'Kafka'], ['6', 'Answer'], ['1', 'Proof']]) {
    await press(key);
    await page.locator('[role=tab][aria-selected=true]', { hasText: name }).waitFor();
  }
  await page.focus('[role=tab][aria-selected=true]');
  await press('ArrowRight');
  assert.equal(await focus(), 'tab-Body');
  await press('ArrowLeft');
  await press('ArrowLeft');
  assert.equal(await focus(), 'tab-Answer');
});

test('/ goes to the filter, where keys are letters, and Escape leaves it', async () => {
  await press('/');
  assert.equal(await focus(), 'filter');
  await page.keyboard.type('fpr?');
  assert.equal(await page.inputValue('#filter'), 'fpr?');
  assert.equal(await page.getAttribute('#pause', 'aria-pressed'), 'false');
  await page.fill('#filter', '');
  await press('Escape');
  assert.equal(await focus(), 'grid');
});

test('f, p, c, s and r', async () => {
  const pressed = (id) => page.getAttribute(`#${id}`, 'aria-pressed');
  await press('f');
  assert.equal(await pressed('follow'), 'true');
  await press('p');
  assert.equal(await pressed('pause'), 'true');
  await press('p');
  await page.focus('#grid');
  await press('Home');
  await shows(12);
  await press('c');
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('role')), 'menuitem');
  await press('ArrowDown');
  await press('j');
  await press('Escape');
  await page.locator('#menu').waitFor({ state: 'hidden' });
  await press('s');
  await page.locator('#samples').waitFor();
  await press('Escape');
  await page.locator('#samples').waitFor({ state: 'hidden' });
  await shows(12);
  await press('r');
  await page.locator('#detail-sub', { hasText: 'made from #12' }).waitFor();
});

test('nothing with Control, Alt or Meta', async () => {
  const before = await page.locator('#detail-title').innerText();
  for (const key of ['Control+j', 'Alt+j', 'Meta+j']) await press(key);
  await page.waitForTimeout(100);
  assert.equal(await page.locator('#detail-title').innerText(), before);
});

test('? shows the help, and its switch turns single keys off for good', async () => {
  await press('?');
  await page.locator('#help[open]').waitFor();
  await page.focus('#keys');
  await press('Space');
  await press('Escape');
  const before = await page.locator('#detail-title').innerText();
  await press('j');
  await press('?');
  assert.equal(await page.locator('#help').isVisible(), false);
  assert.equal(await page.locator('#detail-title').innerText(), before);
  await page.focus('#grid');
  await press('ArrowDown');
  await until(async () => (await page.locator('#detail-title').innerText()) !== before);
  await page.reload();
  await page.locator('#live.good').waitFor();
  await press('?');
  assert.equal(await page.locator('#help').isVisible(), false);
  await page.click('#help-button');
  assert.equal(await page.isChecked('#keys'), false);
});
