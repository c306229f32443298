// A walk through `relais demo` in a real browser, once without JavaScript and once with it.
// Prints what fails, then `N passed, N failed`. SCREENSHOTS=directory keeps a picture of every page met.
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const ROOT = resolve(fileURLToPath(import.meta.url), '../../..');
const RELAIS = process.env.RELAIS_BIN ?? join(resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target'), 'release/relais');
const BASE = Number(process.env.PORT_BASE ?? 18080);
const [RELAY, SIMULATOR, APPLICATION, SECOND_APPLICATION] = [0, 1, 2, 3].map((n) => `http://127.0.0.1:${BASE + n}`);

// What is looked for on the pages: the words, in French as the browser asks for it.
const WORDS = {
  signIn: /se connecter/i,
  byReference: /référence/i,
  cancel: /annuler|refuser/i,
  goOn: /continuer|confirmer/i,
  signOut: /se déconnecter|déconnexion|fermer/i,
  relayToo: /session du relais/i,
  greeting: /bonjour/i,
  signedOut: /déconnecté|session (est )?fermée/i,
  refused: /refus|annul|abandon|access_denied/i,
};
const GOOD = '✔', BAD = /[✖✗✘❌]/;

let passed = 0, failed = 0, pictures = 0;
function check(what, good, detail = '') {
  if (good) passed += 1;
  else { failed += 1; console.log(`failed: ${what} ${detail}`); }
}

async function startDemo(directory) {
  const stdio = ['ignore', 'pipe', 'pipe'];
  const child = spawn(RELAIS, ['demo', '--port-base', String(BASE)], { cwd: directory, stdio });
  const said = [];
  createInterface({ input: child.stderr }).on('line', (line) => said.push(line));
  const ended = new Promise((done) => child.once('close', (code, signal) => done(code ?? signal)));
  const ready = new Promise((done) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      said.push(line);
      if (line.trim() === 'ready') done('ready');
    });
  });
  const failure = new Promise((_, fail) => child.once('error', fail));
  const late = new Promise((done) => setTimeout(done, 60_000, 'nothing for 60 s').unref());
  const outcome = await Promise.race([ready, ended, late, failure]);
  if (outcome !== 'ready') {
    child.kill('SIGKILL');
    throw new Error(`the demo is not ready: ${outcome}\n${said.join('\n')}`);
  }
  return { child, ended, said };
}

// A person at a browser of her own.
class Visitor {
  static async arrive(browser, name, javaScriptEnabled) {
    const viewport = { width: 900, height: 900 };
    const context = await browser.newContext({ javaScriptEnabled, locale: 'fr-FR', viewport });
    context.setDefaultTimeout(15_000);
    const page = await context.newPage();
    const visitor = Object.assign(new Visitor(), { context, page, name, documents: new Set(), complaints: [] });
    page.on('response', (answer) => answer.request().isNavigationRequest() && visitor.documents.add(answer.url()));
    page.on('pageerror', (error) => visitor.complaints.push({ text: String(error), url: page.url() }));
    page.on('console', (message) => {
      if (message.type() === 'error') visitor.complaints.push({ text: message.text(), url: message.location().url });
    });
    return visitor;
  }

  // Everything the browser complained of, once each, but for pages that are refusals themselves.
  complaintsLeft() {
    const isRefusal = ({ text, url }) => text.startsWith('Failed to load resource') && this.documents.has(url);
    const left = this.complaints.filter((complaint) => !isRefusal(complaint));
    return [...new Set(left.map(({ text, url }) => `${text} (${url.split('?')[0]})`))];
  }

  at(origin) { return new URL(this.page.url()).origin === origin; }

  control(words) {
    return this.page.getByRole('button', { name: words }).or(this.page.getByRole('link', { name: words }));
  }

  text() { return this.page.locator('body').innerText(); }

  async picture(what) {
    if (!process.env.SCREENSHOTS) return;
    const number = String((pictures += 1)).padStart(2, '0');
    await this.page.screenshot({ path: join(process.env.SCREENSHOTS, `${number}-${this.name}-${what}.png`), fullPage: true });
  }

  // Every control on these pages leads to another page.
  async click(locator) {
    const arrival = this.page.waitForEvent('framenavigated', (frame) => frame === this.page.mainFrame());
    await Promise.all([arrival, locator.first().click()]);
    await this.page.waitForLoadState('load');
  }

  // Follows a sign-in from the application's page to its return; gives the stations in between.
  async signIn(application, { link = WORDS.signIn, cancel = false } = {}) {
    const stations = [];
    if (!this.at(application)) await this.page.goto(application);
    await this.picture('application');
    if (await this.control(link).count()) await this.click(this.control(link));
    else await this.page.goto(`${application}/login`);
    for (let steps = 0; !this.at(application) && steps < 8; steps += 1) {
      if (this.at(SIMULATOR)) {
        stations.push('simulator');
        await this.picture('simulator');
        await (cancel ? this.click(this.control(WORDS.cancel)) : this.choosePersona());
      } else {
        stations.push('relay');
        await this.picture('relay');
        await this.click(this.control(WORDS.goOn));
      }
    }
    await this.picture('return');
    return stations;
  }

  async choosePersona() {
    const personas = this.page.locator('button.persona');
    this.persona = (await personas.first().innerText()).split('\n')[0].trim();
    await this.click(personas);
  }

  async assertSignedIn(what, application) {
    const text = await this.text();
    // At least one name of the persona stands on the page: how names are laid out is the application's affair.
    const names = (this.persona ?? '').match(/\p{L}{3,}/gu) ?? [];
    check(`${this.name}: ${what}: back at the application`, this.at(application), this.page.url());
    check(`${this.name}: ${what}: no answer left in the address`, !/[?&]info/.test(this.page.url()), this.page.url());
    const shown = names.some((name) => text.toLowerCase().includes(name.toLowerCase()));
    check(`${this.name}: ${what}: the identity is shown`, shown, `(${this.persona})`);
    check(`${this.name}: ${what}: every check holds`, text.includes(GOOD) && !BAD.test(text), text);
  }
}

const SCENARIOS = {
  async 'sign in, again, by reference, and out'(visitor) {
    const { name, page } = visitor;
    const first = await visitor.signIn(APPLICATION);
    check(`${name}: sign in: a persona is chosen at the simulator`, first.includes('simulator'), first.join());
    await visitor.assertSignedIn('sign in', APPLICATION);

    const second = await visitor.signIn(APPLICATION);
    check(`${name}: second sign-in: the relay alone asks`, second.join() === 'relay', second.join());
    await visitor.assertSignedIn('second sign-in', APPLICATION);

    await page.goto(APPLICATION);
    const linked = await visitor.control(WORDS.byReference).count();
    const application = linked ? APPLICATION : SECOND_APPLICATION;
    await visitor.signIn(application, linked ? { link: WORDS.byReference } : {});
    await visitor.assertSignedIn('by reference', application);

    await page.goto(APPLICATION);
    await visitor.click(visitor.control(WORDS.signOut));
    check(`${name}: sign out: the application has forgotten`, !WORDS.greeting.test(await visitor.text()));
    await visitor.click(visitor.control(WORDS.relayToo));
    const asks = visitor.at(RELAY) && !WORDS.signedOut.test(await visitor.text());
    check(`${name}: sign out: the relay asks first`, asks, page.url());
    await visitor.picture('logout');
    await visitor.click(visitor.control(WORDS.signOut));
    await visitor.picture('signed-out');
    const out = visitor.at(RELAY) && WORDS.signedOut.test(await visitor.text());
    check(`${name}: sign out: the signed-out page`, out, page.url());
    await page.goto(APPLICATION);
    const third = await visitor.signIn(APPLICATION);
    check(`${name}: sign out: the next sign-in starts afresh`, third.includes('simulator'), third.join());
  },

  async 'cancel at the simulator'(visitor) {
    await visitor.signIn(APPLICATION, { cancel: true });
    const text = await visitor.text();
    check(`${visitor.name}: cancel: back at the application`, visitor.at(APPLICATION), visitor.page.url());
    check(`${visitor.name}: cancel: the refusal is shown`, WORDS.refused.test(text), text);
    await visitor.page.goto(APPLICATION);
    check(`${visitor.name}: cancel: nobody is signed in`, !WORDS.greeting.test(await visitor.text()));
  },

  async 'localhost is not a second address'(visitor) {
    await visitor.page.goto(`http://localhost:${BASE}/`);
    await visitor.picture('home');
    check(`${visitor.name}: localhost leads to 127.0.0.1`, visitor.at(RELAY), visitor.page.url());
  },
};

async function walk(browser) {
  for (const [name, javaScriptEnabled] of [['without-js', false], ['with-js', true]]) {
    for (const [scenario, steps] of Object.entries(SCENARIOS)) {
      const visitor = await Visitor.arrive(browser, name, javaScriptEnabled);
      try {
        await steps(visitor);
      } catch (error) {
        check(`${name}: ${scenario}`, false, `at ${visitor.page.url().split('?')[0]}\n${error.message}`);
        await visitor.picture('failed').catch(() => {});
      }
      const complaints = visitor.complaintsLeft();
      check(`${name}: ${scenario}: the browser's console is quiet`, complaints.length === 0, complaints.join('\n  '));
      await visitor.context.close();
    }
  }
}

const directory = await mkdtemp(join(tmpdir(), 'relais-demo-'));
let demo, browser;
try {
  if (process.env.SCREENSHOTS) await mkdir(process.env.SCREENSHOTS, { recursive: true });
  demo = await startDemo(directory);
  browser = await chromium.launch({ // with a profile of its own, new each time
    executablePath: process.env.RELAIS_TEST_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
  await walk(browser);
} catch (error) {
  check('the walk', false, error.message);
} finally {
  await browser?.close();
  if (demo) {
    demo.child.kill('SIGTERM');
    const late = new Promise((done) => setTimeout(done, 15_000, 'still running after 15 s').unref());
    const end = await Promise.race([demo.ended, late]);
    check('the demo ends when it is told to', end === 0, String(end));
    if (end !== 0) demo.child.kill('SIGKILL');
    if (failed) console.log(demo.said.slice(-40).join('\n'));
  }
  await rm(directory, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
