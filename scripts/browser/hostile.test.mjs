// Deliveries that want to be more than text: in the page, and in the shell that a copied line is pasted into.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { delivered, openPage, request, show, signature, startBrowser, startDev, tab, until, uploadcareBody } from './harness.mjs';

const dev = await startDev('--no-samples');
const browser = await startBrowser();
const page = await openPage(browser, dev);
page.on('dialog', (dialog) => {
  page.faults.push(`a dialog opened: ${dialog.message()}`);
  void dialog.dismiss();
});

const MARKUP = [
  '<script>document.title = "pwned"</script>',
  '</script><script>document.title = "pwned"</script>',
  '<svg onload="document.title = \'pwned\'"><animate onbegin="document.title = \'pwned\'"></svg>',
  '<img src=x onerror="document.title = \'pwned\'">',
  'javascript:document.title = "pwned"',
  '"><iframe srcdoc="<script>parent.document.title = \'pwned\'</script>">',
];

/** Delivers a body, shows it in each view and tab, and returns its number and what the page shows of the body. */
async function seen(body, headers = {}) {
  const { n } = (await delivered(dev, { body, headers: { 'x-uc-signature': signature(dev, body), ...headers } })).row;
  await show(page, n);
  for (const name of ['Proof', 'Headers', 'Event', 'Kafka', 'Answer', 'Body']) await tab(page, name);
  const views = {};
  for (const name of ['Hex', 'Raw', 'Pretty']) {
    await page.getByRole('button', { name, exact: true }).click();
    views[name] = await page.locator('#panel pre.body').textContent();
  }
  return { n, ...views };
}

for (const markup of MARKUP) {
  test(`${markup} stays text`, async () => {
    const body = uploadcareBody({ uuid: markup, original_filename: markup, [markup]: markup });
    const { n, Raw } = await seen(body, { 'user-agent': markup, 'x-markup': markup });
    assert.equal(Raw, body);
    assert.ok((await page.locator(`#row-${n}`).textContent()).includes(markup), 'the subject is shown as it is');
    assert.equal(await page.title(), 'hookgate dev');
    assert.equal(await page.locator('main :is(script, img, iframe, animate)').count(), 0);
  });
}

test('characters that hide or reorder text are badges', async () => {
  const name = 'a\u202egpj.exe\u200b\u2066\ufeff\u00ad';
  const { n, Raw } = await seen(uploadcareBody({ original_filename: name }, `x${name}`));
  assert.ok(!/[\u202e\u200b\u2066\ufeff\u00ad]/.test(Raw));
  for (const badge of ['U+202E', 'U+200B', 'U+2066', 'U+FEFF', 'U+00AD']) assert.ok(Raw.includes(`[${badge}]`), badge);
  assert.match(await page.locator(`#row-${n}`).textContent(), /xa\[U\+202E\]gpj/);
  assert.ok((await page.locator('#panel .badge').count()) >= 5);
});

test('NUL, other control characters and bytes that are no text', async () => {
  const { Raw, Hex } = await seen(Buffer.from('{"a":"\u0000\u001b[31m\u0007"}\r\n'));
  assert.ok(Raw.includes('[U+0000]') && Raw.includes('[U+001B][31m[U+0007]'));
  assert.match(Hex, /^00000000  7b 22 61 22 3a 22 00 1b/);
  await seen(Buffer.from([0xff, 0xfe, 0x00, 0x80]));
  await page.getByText('Not UTF-8').waitFor();
});

test('numbers and lone surrogates are shown as they were written', async () => {
  const odd = '{"big":12345678901234567890123,"zero":1.50,"exponent":1E400,"lone":"\\ud800","pair":"\\ud83d\\ude00","again":1,"again":2}';
  const { Raw, Pretty } = await seen(odd);
  assert.equal(Raw, odd);
  for (const part of ['12345678901234567890123', '1.50', '1E400', '"\\ud800"', '"\\ud83d\\ude00"', '"again": 1', '"again": 2']) assert.ok(Pretty.includes(part), part);
});

test('ten thousand levels', async () => {
  const deep = `${'['.repeat(10_000)}${']'.repeat(10_000)}`;
  const { Raw, Pretty } = await seen(deep);
  assert.equal(Raw, deep);
  assert.equal(Pretty.replaceAll(/\s/g, ''), deep);
});

test('5 MiB are cut, and the page goes on', async () => {
  const { row } = await delivered(dev, { body: `{"a":"${'x'.repeat(5 << 20)}"}`, headers: {} });
  assert.equal(row.outcome, 'too_large');
  await show(page, row.n);
  await tab(page, 'Body');
  assert.ok((await page.locator('#panel').textContent()).length < 300_000);
  await page.getByText(/Read for you only|The body was not read/).first().waitFor();
});

test('a large body is cut at 256 KiB, without colours, and can be saved whole', async () => {
  const body = uploadcareBody({ metadata: { long: 'y'.repeat(600 << 10) } });
  const { n, Raw, Pretty } = await seen(body);
  assert.equal(Raw, body.slice(0, 256 << 10));
  assert.ok(Pretty.length < 300_000);
  assert.equal(await page.locator('#panel .j-string').count(), 0);
  const [saved] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download' }).click()]);
  assert.equal(saved.suggestedFilename(), `${n}.bin`);
  assert.equal(await readStream(await saved.createReadStream()), body);
});

/** Reads a stream as text. */
async function readStream(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}

const SHELL = ["'; touch pwned; '", '"; touch pwned; "', '$(touch pwned)', '`touch pwned`', "\\'; touch pwned #", '!!; touch pwned', '@/etc/hostname', "'\n touch pwned\n'"];
for (const quote of SHELL) {
  test(`a copied line does not run ${JSON.stringify(quote)}`, async () => {
    const body = uploadcareBody({ uuid: `a${quote}`, original_filename: quote });
    const { n } = await seen(body, { 'x-quote': quote.replaceAll('\n', ' ') });
    const { status, made } = await pasted(n);
    assert.deepEqual({ status, made }, { status: 0, made: false });
    const again = await request(dev, (it) => it.n > n);
    assert.equal(again.status, 200);
    assert.deepEqual(await dev.api(`/api/requests/${again.n}/body`), Buffer.from(body), 'the same bytes came again');
  });
}

/** Copies a request as curl and runs the line in a shell. Returns its status, and whether the payload has made its file. */
async function pasted(n) {
  await page.click('#copy');
  await page.getByRole('menuitem', { name: 'as curl' }).click();
  await page.getByText('Copied the curl command').waitFor();
  const line = await page.evaluate(() => navigator.clipboard.readText());
  const folder = mkdtempSync(join(tmpdir(), 'hookgate-shell-'));
  writeFileSync(join(folder, `${n}.bin`), await dev.api(`/api/requests/${n}/body`));
  const ran = spawnSync('sh', ['-c', line], { cwd: folder, encoding: 'utf8' });
  const made = existsSync(join(folder, 'pwned'));
  rmSync(folder, { recursive: true });
  return { status: ran.status, made, line };
}

test('a body of an at sign is no file name', async () => {
  const { n } = await seen('@/etc/hostname');
  assert.equal((await pasted(n)).status, 0);
  const again = await request(dev, (it) => it.n > n);
  assert.equal((await dev.api(`/api/requests/${again.n}/body`)).toString(), '@/etc/hostname');
});

test('no fault, and no breach of the policy', async () => {
  await until(() => true);
  assert.deepEqual(page.faults, []);
});
