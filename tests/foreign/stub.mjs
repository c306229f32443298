// A simulator of its own for a test, a browser for its pages, and the count of what held.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(fileURLToPath(import.meta.url), '../../..');
const STUB = process.env.STUB_BIN
  ?? join(resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target'), 'release/stub-upstream');
export const ID = 'relais', SECRET = 'simulated-secret-for-development-only';
export const BACK = 'http://127.0.0.1:9/callback', AFTER = 'http://127.0.0.1:9/after';

let passed = 0, failed = 0;
export function check(what, good, detail = '') {
  if (good) passed += 1;
  else { failed += 1; console.log(`failed: ${what} ${detail}`); }
}

// `deed` must be refused with an error that fits.
export async function refuses(what, error, deed) {
  try {
    await deed();
    check(what, false, 'accepted');
  } catch (refusal) {
    const told = [refusal.code, refusal.error, refusal.message, refusal.cause?.message, JSON.stringify(refusal.cause ?? '')].join(' ');
    check(what, error.test(told), told);
  }
}

// Serves on a free port of the loopback; gives the base URL.
async function startStub(...args) {
  const addresses = ['--redirect-uri', BACK, '--post-logout-redirect-uri', AFTER]; // beside those of `args`
  const child = spawn(STUB, ['serve', '--listen', '127.0.0.1:0', ...addresses, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = [];
  createInterface({ input: child.stderr }).on('line', (line) => said.push(line));
  const base = await new Promise((done, fail) => {
    child.once('error', fail).once('close', (code) => fail(new Error(`the simulator ends with ${code}: ${said.join('\n')}`)));
    createInterface({ input: child.stdout }).once('line', (line) => done(line.match(/http:\/\/127\.0\.0\.1:\d+/)[0]));
  });
  return { base, stop: () => new Promise((done) => { child.removeAllListeners('close').once('close', done); child.kill(); }) };
}

// Runs a test against a simulator with these arguments.
export async function withStub(args, test) {
  let stub;
  try {
    stub = await startStub(...args);
    await test(stub.base);
  } catch (error) {
    check('the test runs to its end', false, error.stack + (error.cause ? `\ncause: ${error.cause.stack ?? error.cause}` : ''));
  } finally {
    await stub?.stop();
  }
}

// The last line, as tests/run counts it.
export function end() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed ? 1 : 0;
}

// Cookies, redirects and forms: as much of a browser as a page without script needs.
export class Browser {
  cookies = new Map();

  async send(url, options = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(url, { ...options, redirect: 'manual', headers: { ...options.headers, cookie } });
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = line.match(/^([^=]+)=([^;]*)/);
      this.cookies.set(name, value);
    }
    const location = answer.headers.get('location');
    return { status: answer.status, url: String(url), text: await answer.text(), location: location && new URL(location, url) };
  }

  // Follows redirects until one leads to the client, which is not called, or to a page.
  async open(url, options) {
    let answer = await this.send(url, options);
    while (answer.location && answer.location.port !== '9') {
      answer = await this.send(answer.location);
    }
    return answer;
  }

  // Fills the form of a page and presses a button.
  async submit(page, button, fields = {}) {
    const form = page.text.match(/<form method="post" action="([^"]+)"/);
    if (!form) throw new Error(`no form on the page of ${page.url}: ${page.text}`);
    const body = new URLSearchParams();
    for (const [, name] of page.text.matchAll(/<(?:input|select)[^>]* name="([^"]+)"/g)) body.set(name, fields[name] ?? '');
    if (button) {
      const [name, value] = button;
      if (!page.text.includes(`name="${name}" value="${value}"`)) throw new Error(`no button ${name}=${value}`);
      body.set(name, value);
    }
    return this.open(new URL(form[1], page.url), { method: 'POST', body });
  }

  // From the client's authorization request to its callback: by a person's button, or by a typed login.
  async signIn(url, { persona, login, fault }) {
    const page = await this.open(url);
    if (page.location) return page.location;
    const answer = await this.submit(page, persona && ['persona', persona], { login, fault });
    if (!answer.location) throw new Error(`the page stays: ${answer.status} ${answer.text}`);
    return answer.location;
  }
}
