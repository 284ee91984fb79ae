// The pictures of docs/inspector.md. Each run takes them; with BLESS=1 it also puts them into docs/images.
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { deliver, openPage, request, show, signature, startBrowser, startDev, tab, until, uploadcareBody } from './harness.mjs';

const BYTES_MAX = 200 << 10;
const taken = 'pictures';
mkdirSync(taken, { recursive: true });

const dev = await startDev();
const browser = await startBrowser();
const body = uploadcareBody();
const seen = () => dev.api('/api/requests?after=0').then((it) => it.last);

/** Deliveries of every kind, as on a day of trying it out. */
async function traffic() {
  const sample = (endpoint, type) => dev.api('/api/send', { endpoint, type, times: 1 });
  const types = [['frameio', 'comment.created'], ['filesafety', 'scan.complete'], ['filespin', 'file-saved'], ['frameio', 'file.ready'], ['uploadcare', 'file.infected'], ['frameio', 'project.created']];
  for (const [endpoint, type] of types) {
    const before = await seen();
    await sample(endpoint, type);
    await until(async () => (await seen()) > before);
  }
  await deliver(dev);
  await deliver(dev, { path: '/webhooks/upladcare' });
  await deliver(dev, { body: uploadcareBody({}, 'file.exploded') });
  await deliver(dev, { body: '{"hook":' });
  await deliver(dev, { headers: {} });
  await deliver(dev, { path: '/webhooks/filespin?token=wrong', headers: {} });
  await deliver(dev);
  await deliver(dev, { body: JSON.stringify(JSON.parse(body), null, 1), headers: { 'x-uc-signature': signature(dev, body) } });
  await deliver(dev, { body: uploadcareBody({ original_filename: 'invoice\u202egpj.exe' }) });
}
await traffic();

/** Takes a picture as a JPEG: a tenth of a PNG, and text stays easy to read. */
const picture = (page, name) => page.screenshot({ path: join(taken, `inspector-${name}.jpg`), type: 'jpeg', quality: 44 });

test('the proof of a refusal, in the dark', async () => {
  const page = await openPage(browser, dev, { colorScheme: 'dark', viewport: { width: 1180, height: 620 } });
  const { n } = await request(dev, (it) => it.outcome === 'bad_signature');
  await show(page, n);
  await tab(page, 'Proof');
  await page.locator('.step.failed details[open]').waitFor();
  await picture(page, 'proof');
});

test('a body, in the light', async () => {
  const page = await openPage(browser, dev, { colorScheme: 'light', viewport: { width: 1180, height: 620 } });
  const { n } = await request(dev, (it) => it.outcome === 'published' && it.origin === 'webhook');
  await show(page, n);
  await tab(page, 'Body');
  await picture(page, 'body');
});

test('the cards of the endpoints, on a phone', async () => {
  const page = await openPage(browser, dev, { colorScheme: 'light', viewport: { width: 390, height: 600 } });
  await page.locator('.card').first().waitFor();
  await picture(page, 'phone');
});

test('they are small', () => {
  const names = readdirSync(taken).filter((name) => name.startsWith('inspector-'));
  const bytes = names.reduce((sum, name) => sum + statSync(join(taken, name)).size, 0);
  assert.equal(names.length, 3);
  assert.ok(bytes < BYTES_MAX, `${bytes} bytes`);
  if (process.env.BLESS !== '1') return;
  const images = join(process.env.HOOKGATE_ROOT, 'docs/images');
  mkdirSync(images, { recursive: true });
  for (const name of names) copyFileSync(join(taken, name), join(images, name));
});
