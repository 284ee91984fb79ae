// Other pages and other names of this machine get nothing from the inspector.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, test } from 'node:test';
import { openPage, startBrowser, startDev, until } from './harness.mjs';

const dev = await startDev();
const { port } = new URL(dev.page);
const browser = await startBrowser('--host-resolver-rules=MAP evil.example 127.0.0.1');
const ours = await openPage(browser, dev);

/** A page of somebody else, on another port of this machine. */
const evil = http.createServer((_, answer) => answer.setHeader('content-type', 'text/html').end('<title>evil</title><body>'));
await new Promise((resolve) => evil.listen(0, '127.0.0.1', resolve));
after(() => evil.close());
const page = await ours.context().newPage();
const seen = async () => (await dev.api('/api/requests?after=0')).last;
const SENT = JSON.stringify({ endpoint: 'uploadcare', type: 'file.stored', times: 1 });

test('another name for this machine is refused', async () => {
  const answer = await page.goto(`http://evil.example:${port}/`);
  assert.equal(answer.status(), 421);
  assert.equal((await ours.goto(dev.page)).status(), 200, 'its own name is not');
});

test('a page of another origin can neither read nor act', async () => {
  await page.goto(`http://127.0.0.1:${evil.address().port}/`);
  const before = await seen();
  const results = await page.evaluate(async ([to, key, sent]) => {
    const headers = { 'hookgate-session': key, 'content-type': 'application/json' };
    const ask = (path, options) => fetch(to + path, options).then((it) => `${it.type} ${it.status}`, () => 'failed');
    return [
      await ask('/', {}),
      await ask('/api/session', { headers }),
      await ask('/api/requests?after=0', { mode: 'no-cors' }),
      await ask('/api/send', { method: 'POST', headers, body: sent }),
      await ask('/api/send', { method: 'POST', mode: 'no-cors', body: sent, headers: { 'content-type': 'text/plain' } }),
    ];
  }, [dev.page, dev.key, SENT]);
  // Without CORS a page only learns that something came back, and CORP takes that from it, too.
  assert.deepEqual(results, ['failed', 'failed', 'failed', 'failed', 'failed']);
  assert.equal(await seen(), before);
});

test('a form of another origin does nothing', async () => {
  await page.goto(`http://127.0.0.1:${evil.address().port}/`);
  const before = await seen();
  const answered = page.waitForResponse((it) => it.url().endsWith('/api/send'));
  await page.evaluate(([to, sent]) => {
    const form = document.createElement('form');
    Object.assign(form, { method: 'post', action: `${to}/api/send`, enctype: 'text/plain' });
    const field = document.createElement('input');
    // As text/plain this becomes JSON.
    [field.name, field.value] = [sent.slice(0, -1) + ',"a":"', '"}'];
    form.append(field);
    document.body.append(form);
    form.submit();
  }, [dev.page, SENT]);
  assert.ok((await answered).status() >= 400);
  // The form leads the window away, which the next test must not meet halfway.
  await page.waitForURL((url) => url.pathname === '/api/send');
  assert.equal(await seen(), before);
});

test('another page cannot frame this one, nor reach its window', async () => {
  await page.goto(`http://127.0.0.1:${evil.address().port}/`);
  await page.evaluate((to) => {
    const frame = document.createElement('iframe');
    frame.src = `${to}/`;
    document.body.append(frame);
  }, dev.page);
  await until(() => page.frames().length === 2);
  const frame = page.frames()[1];
  await until(async () => (await frame.locator('#strip').count().catch(() => 0)) === 0 && frame.url() !== '');
  const reach = await page.evaluate((to) => {
    const opened = window.open(`${to}/`);
    return new Promise((resolve) => setTimeout(() => resolve(opened === null || opened.closed), 2000));
  }, dev.page);
  assert.equal(reach, true, 'the opener policy parts the windows');
});

test('the policy refuses markup, scripts and foreign addresses in the page itself', async () => {
  await ours.goto(dev.page);
  const tried = await ours.evaluate(async () => {
    const throws = (run) => {
      try {
        run();
        return false;
      } catch {
        return true;
      }
    };
    const script = document.createElement('script');
    const fetched = await fetch('http://127.0.0.1:1/').then(() => 'came', (error) => error.constructor.name);
    return [
      throws(() => (document.body.innerHTML = '<b>b</b>')),
      throws(() => (script.text = 'document.title = "pwned"')),
      throws(() => document.write('a')),
      throws(() => window.trustedTypes.createPolicy('a', {})),
      fetched,
    ];
  });
  assert.deepEqual(tried, [true, true, true, true, 'TypeError']);
});
