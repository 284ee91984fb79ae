// Starts `hookgate dev` and Chromium, and has what the tests share. Waits have generous limits, because a machine may be busy; no test measures
// time.
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { chromium } from 'playwright-core';

/** Connections stay open, so that ten thousand deliveries do not use ten thousand ports. */
const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });

/** How long anything may take before a test fails. */
export const PATIENCE = 60_000;

/** Ends a child, and waits until it has ended. */
async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGINT');
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await ended;
  clearTimeout(timer);
}

/**
 * Starts `hookgate dev` with an empty home folder. Returns its link, the URL of its webhooks, its secrets and what it has printed.
 * It ends with the tests of the file, or with `stop`.
 */
export async function startDev(...flags) {
  const home = mkdtempSync(join(tmpdir(), 'hookgate-browser-'));
  const all = ['dev', '--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', ...flags];
  const environment = { PATH: process.env.PATH, HOME: home, NO_COLOR: '1' };
  const child = spawn(process.env.HOOKGATE_BIN, all, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  const dev = { output: '', home, child };
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (dev.output += text));
  dev.stop = async () => {
    await end(child);
    rmSync(home, { recursive: true, force: true });
  };
  after(dev.stop);
  dev.api = async (path, body) => {
    const headers = { 'hookgate-session': dev.key, ...(body ? { 'content-type': 'application/json' } : {}) };
    const answer = await fetch(dev.page + path, { method: body ? 'POST' : 'GET', headers, body: body && JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.headers.get('content-type') === 'application/json' ? answer.json() : Buffer.from(await answer.arrayBuffer());
  };
  const link = () => /http:\/\/127\.0\.0\.1:\d+\/#key=[0-9a-f]{32}/.exec(dev.output)?.[0];
  await until(() => link() || child.exitCode !== null, () => `no link in:\n${dev.output}`);
  if (!link()) throw new Error(`hookgate dev ended:\n${dev.output}`);
  dev.link = link();
  [dev.page, dev.key] = dev.link.split('/#key=');
  const session = await dev.api('/api/session');
  dev.webhooks = session.webhooks;
  const secrets = readFileSync(join(home, '.local/state/hookgate/dev.env'), 'utf8');
  dev.secrets = Object.fromEntries([...secrets.matchAll(/^export DEV_SECRET_(\w+)=['"]?([^\s'"]+)/gm)].map(([, name, value]) => [name.toLowerCase(), value]));
  return dev;
}

/** Waits until a condition holds. */
export async function until(holds, why = () => 'the condition does not hold') {
  const limit = Date.now() + PATIENCE;
  for (;;) {
    const value = await holds();
    if (value) return value;
    if (Date.now() > limit) throw new Error(why());
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Signs a body as Uploadcare does. */
export const signature = (dev, body) => `v1=${createHmac('sha256', dev.secrets.uploadcare).update(body).digest('hex')}`;

/** Returns the body of a delivery of Uploadcare. What is given is added to its data. */
export function uploadcareBody(data = {}, event = 'file.stored') {
  const hook = { id: 1283756, project_id: 42797, project_pub_key: 'demo', target: 'https://example.com/', event, is_active: true, version: '0.7', created_at: '2026-03-02T08:17:03Z', updated_at: '2026-03-02T08:17:03Z' };
  return JSON.stringify({ hook, data: { uuid: 'f5c4ee6e-f41a-4ff2-a86e-a3e92bcc334d', is_image: true, is_ready: true, mime_type: 'image/jpeg', original_filename: 'pineapple.jpg', size: 147883, ...data }, file: 'https://ucarecdn.com/f5c4ee6e/' });
}

/** Posts something to the webhooks, and returns the status. By default it is a good delivery of Uploadcare. */
export function deliver(dev, { path = '/webhooks/uploadcare', body = uploadcareBody(), headers } = {}) {
  headers ??= { 'x-uc-signature': signature(dev, body) };
  return new Promise((resolve, reject) => {
    const all = { 'content-type': 'application/json', ...headers };
    const request = http.request(dev.webhooks + path, { method: 'POST', agent, headers: all }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode));
    });
    request.on('error', reject).end(body);
  });
}

/** Starts Chromium. It ends with the tests of the file. */
export async function startBrowser(...args) {
  const root = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: [...root, ...args] });
  after(() => browser.close());
  return browser;
}

/**
 * Opens the page by its link. `faults` of the result has each error of the console and of the script, such as a breach of the page's policy.
 */
export async function openPage(browser, dev, options = {}) {
  const { hash, ...context } = options;
  const made = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce', ...context });
  await made.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: dev.page });
  const page = await made.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && page.faults.push(message.text()));
  await page.goto(dev.link);
  await page.locator('#live.good').waitFor();
  if (hash) await page.evaluate((to) => (location.hash = to), hash);
  return page;
}

/** Returns the latest request for which a condition holds, as soon as there is one. */
export function request(dev, holds) {
  return until(async () => (await dev.api('/api/requests?after=0')).rows.findLast(holds), () => 'the request does not come');
}

/** Delivers something, and returns its row, and the status that the sender got: 0 where the daemon closed the connection before it was all sent. */
export async function delivered(dev, ask) {
  const { last } = await dev.api('/api/requests?after=0');
  const status = await deliver(dev, ask).catch(() => 0);
  const row = await request(dev, (it) => it.n > last);
  return { row, status };
}

/** Shows a request by its permalink, and waits until its detail is there. */
export async function show(page, n) {
  await page.evaluate((to) => (location.hash = `#${to}`), n);
  await page.locator('#detail:not([aria-busy]) #detail-title', { hasText: `#${n} ` }).waitFor();
}

/** Shows a tab of the request, and returns its panel. */
export async function tab(page, name) {
  await page.getByRole('tab', { name }).click();
  return page.locator('#panel');
}
