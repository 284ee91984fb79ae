// The page's scripts keep the types that their comments name.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';

const folder = join(process.env.HOOKGATE_ROOT, 'src/command/dev/inspector/page');
const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');

test('tsc finds nothing', () => {
  const index = readFileSync(join(folder, 'index.html'), 'utf8');
  const scripts = /<!-- script: (.*) -->/.exec(index)[1].split(' ').map((name) => join(folder, name));
  const flags = ['--noEmit', '--allowJs', '--checkJs', '--strict', '--noUnusedLocals', '--target', 'es2023', '--lib', 'es2023,dom,dom.iterable'];
  const { stdout, status } = spawnSync(process.execPath, [compiler, ...flags, ...scripts], { encoding: 'utf8' });
  assert.equal(`${stdout}${status}`, '0');
});
