// What the page shows and does, with a real daemon.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deliver, delivered, openPage, request, show, signature, startBrowser, startDev, tab, until, uploadcareBody } from './harness.mjs';

const dev = await startDev();
const browser = await startBrowser();
const page = await openPage(browser, dev);
const rows = page.locator('#sizer [role=row]');
const banner = page.locator('#banner');

test('the key leaves the address bar, and the samples of the start are there', async () => {
  assert.equal(new URL(page.url()).hash, '');
  await until(async () => (await rows.count()) >= 3);
});

test('a delivery appears by itself', async () => {
  const { row, status } = await delivered(dev);
  assert.deepEqual([status, row.outcome, row.origin], [200, 'published', 'webhook']);
  await page.locator(`#row-${row.n}`, { hasText: 'published' }).waitFor();
  await show(page, row.n);
  assert.match(await (await tab(page, 'Kafka')).innerText(), new RegExp(`Offset\\s+${row.offset}`));
  assert.match(await (await tab(page, 'Event')).innerText(), /ORIGIN_WEBHOOK/);
  assert.match(await (await tab(page, 'Answer')).innerText(), /Status\s+200/);
  assert.match(await (await tab(page, 'Headers')).innerText(), /POST \/webhooks\/uploadcare/);
});

const body = uploadcareBody();
const REFUSALS = [
  { outcome: 'missing_signature', status: 401, ask: { headers: {} }, words: /x-uc-signature/ },
  { outcome: 'bad_signature', status: 401, ask: { headers: { 'x-uc-signature': `v1=${'0'.repeat(64)}` } }, words: /secret/ },
  { outcome: 'unknown_endpoint', status: 404, ask: { path: '/webhooks/upladcare' }, words: /\/webhooks\/uploadcare/ },
  { outcome: 'bad_token', status: 401, ask: { path: '/webhooks/filespin?token=wrong', headers: {} }, words: /token/ },
  { outcome: 'encoded_body', status: 415, ask: { headers: { 'x-uc-signature': signature(dev, body), 'content-encoding': 'gzip' } }, words: /compressed/ },
  { outcome: 'too_large', status: 413, ask: { body: 'x'.repeat(5 << 20), headers: { 'x-uc-signature': `v1=${'0'.repeat(64)}` } }, words: /large/ },
];
for (const { outcome, status, ask, words } of REFUSALS) {
  test(`${outcome} is refused in words`, async () => {
    const { row, status: got } = await delivered(dev, { body, ...ask });
    assert.equal(row.outcome, outcome);
    assert.ok(got === status || got === 0, `${got}`);
    const drawn = page.locator(`#row-${row.n}`);
    await drawn.waitFor();
    assert.match(await drawn.innerText(), new RegExp(`✗ ${status} ${outcome}`));
    await show(page, row.n);
    const proof = await (await tab(page, 'Proof')).innerText();
    assert.match(proof, words);
    // The first step that failed is open, and there is only one.
    assert.equal(await page.locator('.step.failed').count(), 1);
  });
}

test('a right signature over other bytes says what would make it fit', async () => {
  const spaced = JSON.stringify(JSON.parse(body), null, 1);
  const { row } = await delivered(dev, { body: spaced, headers: { 'x-uc-signature': signature(dev, body) } });
  await show(page, row.n);
  await tab(page, 'Proof');
  assert.match(await page.locator('.step.failed').innerText(), /white space/);
});

test('the filter has the words of tail', async () => {
  await delivered(dev);
  const { rows: all } = await dev.api('/api/requests?after=0');
  const check = async (filter, holds) => {
    await page.fill('#filter', filter);
    const words = `${all.filter(holds).length} of ${all.length}`;
    await until(async () => (await page.locator('#matches').innerText()) === words, () => `${filter}: not ${words}`);
  };
  await check('outcome:bad_*', (it) => it.outcome.startsWith('bad_'));
  await check('-outcome:published', (it) => it.outcome !== 'published');
  await check('outcome:published endpoint:uploadcare', (it) => it.outcome === 'published' && it.endpoint === 'uploadcare');
  await check('type:uploadcare.file.stored,scan.*', (it) => it.type === 'file.stored' || it.type.startsWith('scan.'));
  await check('outcome:401 -subject:nothing', (it) => it.status === 401);
  await check('UPLADCARE', (it) => it.why.includes('upladcare'));
  await check('nothing-has-this', () => false);
  await page.getByText('No request passes the filter.').waitFor();
  await page.fill('#filter', '');
});

test('choosing a row ends following, and new rows wait', async () => {
  await page.locator('#follow[aria-pressed=false]').waitFor();
  const before = await page.locator('#sizer [aria-selected=true]').getAttribute('data-n');
  for (let at = 0; at < 3; at += 1) await deliver(dev);
  await page.getByRole('button', { name: /^\d+ new$/ }).click();
  await page.locator('#follow[aria-pressed=true]').waitFor();
  assert.match(await page.locator('#detail-title').innerText(), new RegExp(`^#${before}\\s`), 'the chosen request stays');
});

test('a pause stops the picture, and counts go on', async () => {
  await page.click('#pause');
  const first = await rows.first().getAttribute('data-n');
  const seen = await page.locator('#kept').innerText();
  await deliver(dev);
  await until(async () => (await page.locator('#kept').innerText()) !== seen);
  await page.getByRole('button', { name: '1 new' }).waitFor();
  assert.equal(await rows.first().getAttribute('data-n'), first);
  await page.click('#pause');
  await until(async () => (await rows.first().getAttribute('data-n')) !== first);
});

test('a sample, its replay and a forgery of it lead to their rows', async () => {
  const title = page.locator('#detail-title');
  await page.click('#send');
  await page.getByRole('button', { name: 'file.infected' }).click();
  await title.filter({ hasText: '200 published' }).waitFor();
  const sample = await request(dev, (it) => it.action.startsWith('send-'));
  await title.filter({ hasText: `#${sample.n} ` }).waitFor();
  assert.equal(sample.origin, 'sample');
  await page.click('#replay');
  const replay = await request(dev, (it) => it.action.startsWith('replay-'));
  await title.filter({ hasText: `#${replay.n} ` }).waitFor();
  assert.match(await page.locator('#detail-sub').innerText(), new RegExp(`made from #${sample.n}`));
  await page.click('#forge');
  await page.getByRole('menuitem', { name: /one byte/ }).click();
  await title.filter({ hasText: '401 bad_signature' }).waitFor();
  await page.click('#replay-times');
  await page.getByRole('menuitem', { name: '× 5', exact: true }).click();
  const again = (it) => it.action.startsWith('replay-') && it.outcome === 'bad_signature';
  await until(async () => (await dev.api('/api/requests?after=0')).rows.filter(again).length === 5);
});

test('while Kafka is away, the sender gets 503', async () => {
  await page.click('#away');
  await page.locator('#away[aria-checked=true]').waitFor();
  await page.locator('#kafka', { hasText: 'away' }).waitFor();
  const { row, status } = await delivered(dev);
  assert.deepEqual([status, row.status], [503, 503]);
  await show(page, row.n);
  assert.match(await (await tab(page, 'Answer')).innerText(), /tries again/);
  await page.click('#away');
  await page.locator('#away[aria-checked=false]').waitFor();
  await page.locator('#kafka', { hasText: 'has not stored the last delivery' }).waitFor();
  await until(async () => (await delivered(dev)).status === 200);
  await page.locator('#kafka.good', { hasText: 'ready' }).waitFor();
});

test('a request for no endpoint can be neither forged nor replayed, and the page says so', async () => {
  const { row } = await delivered(dev, { path: '/webhooks/upladcare' });
  await show(page, row.n);
  await page.click('#forge');
  await page.getByText('There is nothing to forge').waitFor();
  await page.click('#replay');
  await page.locator('#status', { hasText: 'nowhere to send it' }).waitFor();
});

test('what was done stays in the status line for a while, whatever comes', async () => {
  const timed = await browser.newContext().then((context) => context.newPage());
  await timed.clock.install();
  await timed.goto(dev.link);
  await timed.locator('#live.good').waitFor();
  const { row } = await delivered(dev, { path: '/webhooks/upladcare' });
  await timed.locator(`#row-${row.n}`).waitFor();
  await show(timed, row.n);
  const status = timed.locator('#status');
  // Every ten seconds the page counts the refused requests. That must not hide the sentence before anybody has read it.
  for (let at = 0; at < 40; at += 1) {
    await timed.click('#forge');
    await timed.clock.fastForward(300);
    assert.match(await status.innerText(), /There is nothing to forge/);
  }
  await timed.clock.fastForward(20_000);
  await status.filter({ hasText: /^\d+ refused in the last \d+ s\.$/ }).waitFor();
  await timed.context().close();
});

test('clear forgets all rows', async () => {
  await page.click('#clear');
  await until(async () => (await rows.count()) === 0);
  await page.getByText('Waiting for the first request.').waitFor();
  await page.locator('.card').first().waitFor();
  assert.equal(await page.locator('.card').count(), 4);
  await delivered(dev);
  await until(async () => (await rows.count()) === 1);
});

test('a permalink shows its request in a new tab', async () => {
  const { n } = await request(dev, () => true);
  const other = await page.context().newPage();
  await other.goto(`${dev.page}/#${n}`);
  await other.locator('#detail-title', { hasText: `#${n} ` }).waitFor();
  await other.goto(`${dev.page}/#999999`);
  await other.getByText('no longer kept').first().waitFor();
  await other.close();
});

test('on a phone the request covers the list, and Back leads to its row', async () => {
  const phone = await openPage(browser, dev, { viewport: { width: 390, height: 700 } });
  const { n } = await request(dev, () => true);
  await phone.locator(`#row-${n}`).click();
  await phone.locator('#detail-title', { hasText: `#${n} ` }).waitFor();
  assert.equal(await phone.locator('#list').isVisible(), false);
  await phone.getByRole('button', { name: 'Back' }).click();
  await phone.locator(`#row-${n}[aria-selected=true]`).waitFor();
  assert.equal(await phone.locator('#detail').isVisible(), false);
  await phone.context().close();
});

test('what is copied can be taken by hand where the browser does not let the page copy', async () => {
  const { n } = await request(dev, () => true);
  await show(page, n);
  await page.evaluate(() => (navigator.clipboard.writeText = () => Promise.reject(new Error('no'))));
  await page.click('#copy');
  await page.getByRole('menuitem', { name: 'as a link' }).click();
  assert.equal(await page.locator('#ask textarea').inputValue(), `${dev.page}/#${n}`);
  await page.keyboard.press('Escape');
});

test("nothing is written to somebody's own Kafka before a person agrees", async () => {
  const careful = await browser.newContext().then((context) => context.newPage());
  await careful.route('**/api/session', async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...(await answer.json()), samples_need_consent: true } });
  });
  const sent = [];
  careful.on('request', (it) => it.url().endsWith('/api/send') && sent.push(it.postDataJSON()));
  await careful.goto(dev.link);
  const send = async (answer) => {
    await careful.click('#send');
    await careful.getByRole('button', { name: 'scan.complete' }).click();
    await careful.getByText('Write samples to this Kafka?').waitFor();
    await careful.getByRole('button', { name: answer }).click();
    await careful.locator('#ask').waitFor({ state: 'hidden' });
  };
  await send('Cancel');
  assert.deepEqual(sent, []);
  await send('Write them');
  await careful.locator('#detail-title', { hasText: '200 published' }).waitFor();
  assert.deepEqual(sent, [{ endpoint: 'filesafety', type: 'scan.complete', times: 1, consent: true }]);
  await careful.context().close();
});

test('without the key, and with another one, there is no data', async () => {
  for (const link of [dev.page, `${dev.page}/#key=${'0'.repeat(32)}`]) {
    const stranger = await browser.newContext().then((context) => context.newPage());
    await stranger.goto(link);
    await stranger.getByText('Open the link that hookgate dev prints').waitFor();
    assert.equal(await stranger.locator('#sizer [role=row]').count(), 0);
    await stranger.context().close();
  }
});

test('nothing of a delivery is stored in the browser', async () => {
  const kept = await page.evaluate(() => JSON.stringify(localStorage));
  assert.deepEqual(Object.keys(JSON.parse(kept)), ['hookgate-session']);
});

test('the page comes back by itself when the daemon is reached again', async () => {
  await page.context().setOffline(true);
  await banner.filter({ hasText: 'does not answer' }).waitFor();
  const { row } = await delivered(dev);
  await page.context().setOffline(false);
  await page.locator(`#row-${row.n}`).waitFor();
  await banner.waitFor({ state: 'hidden' });
});

test('the page has no fault, and says when the daemon is gone', async () => {
  assert.deepEqual(page.faults.filter((it) => !/status of 40[49]|ERR_INTERNET_DISCONNECTED/.test(it)), []);
  assert.equal(await banner.isVisible(), false);
  await dev.stop();
  await banner.filter({ hasText: 'does not answer' }).waitFor();
});
