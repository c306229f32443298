// A walk through the simulator's own pages in a real browser, once without JavaScript and once with it: who signs in
// and with what fault, and the inspector. Prints what fails, then `N passed, N failed`.
// SCREENSHOTS=directory keeps a picture of every page met.
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const ROOT = resolve(fileURLToPath(import.meta.url), '../../..');
const STUB = process.env.STUB_BIN
  ?? join(resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target'), 'release/stub-upstream');
const [ID, SECRET] = ['relais', 'simulated-secret-for-development-only'];

let passed = 0, failed = 0, pictures = 0;
function check(what, good, detail = '') {
  if (good) passed += 1;
  else { failed += 1; console.log(`failed: ${what} ${detail}`); }
}

// The client: it redeems what comes back, asks userinfo, and shows on its page what it got.
async function startClient() {
  const client = { at: '', stub: '' };
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, client.at);
    const code = url.searchParams.get('code');
    let text = url.searchParams.get('error') ?? 'nothing';
    if (url.pathname === '/callback' && code) {
      const form = { grant_type: 'authorization_code', code, redirect_uri: `${client.at}/callback`, client_id: ID, client_secret: SECRET };
      const answer = await fetch(`${client.stub}/generic/token`, { method: 'POST', body: new URLSearchParams(form) });
      text = `token ${answer.status}`;
      if (answer.status === 200) {
        const headers = { authorization: `Bearer ${(await answer.json()).access_token}` };
        text = `signed in: ${(await (await fetch(`${client.stub}/generic/userinfo`, { headers })).json()).family_name}`;
      }
    }
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(`<!DOCTYPE html><html lang="en"><title>client</title><link rel="icon" href="data:,"><p id="got">${text}</p>`);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  client.at = `http://127.0.0.1:${server.address().port}`;
  client.stop = () => new Promise((done) => { server.close(done); server.closeAllConnections(); });
  return client;
}

async function startStub(client) {
  const child = spawn(STUB, ['serve', '--listen', '127.0.0.1:0', '--redirect-uri', `${client.at}/callback`],
    { stdio: ['ignore', 'pipe', 'ignore'] });
  client.stub = await new Promise((done, fail) => {
    child.once('error', fail).once('close', (code) => fail(new Error(`the simulator ends with ${code}`)));
    createInterface({ input: child.stdout }).once('line', (line) => done(line.match(/http:\/\/127\.0\.0\.1:\d+/)[0]));
  });
  return () => new Promise((done) => { child.removeAllListeners('close').once('close', done); child.kill(); });
}

// A person at a browser of her own, and all that it asks for and complains of.
class Visitor {
  static async arrive(browser, client, name, javaScriptEnabled) {
    const context = await browser.newContext({ javaScriptEnabled, locale: 'fr-FR', viewport: { width: 900, height: 900 } });
    context.setDefaultTimeout(10_000);
    const visitor = Object.assign(new Visitor(), { context, client, name, complaints: [], strangers: [] });
    visitor.page = await visitor.tab();
    return visitor;
  }

  async tab() {
    const page = await this.context.newPage();
    page.on('request', (request) => {
      const own = [this.client.at, this.client.stub].some((origin) => request.url().startsWith(`${origin}/`));
      if (!own && !request.url().startsWith('data:')) this.strangers.push(request.url());
    });
    page.on('pageerror', (error) => this.complaints.push(String(error)));
    page.on('console', (message) => {
      // A page that refuses has the status of a refusal, which the browser notes.
      if (message.type() === 'error' && !/status of 40[0-9]/.test(message.text())) this.complaints.push(message.text());
    });
    return page;
  }

  check(what, good, detail) { check(`${this.name}: ${what}`, good, detail); }

  async picture(what, page = this.page) {
    if (!process.env.SCREENSHOTS) return;
    const number = String((pictures += 1)).padStart(2, '0');
    await page.screenshot({ path: join(process.env.SCREENSHOTS, `${number}-${this.name}-${what}.png`), fullPage: true });
  }

  // To the page that asks who signs in.
  async ask(more = {}) {
    const nonce = crypto.randomUUID() + crypto.randomUUID();
    const ask = new URLSearchParams({ response_type: 'code', client_id: ID, redirect_uri: `${this.client.at}/callback`,
      scope: 'openid profile email', state: nonce.slice(1), nonce, prompt: 'login', ...more });
    await this.page.goto(`${this.client.stub}/generic/authorize?${ask}`);
  }

  press(words) { return this.page.getByRole('button', { name: words }).first().click(); }

  async got() { return this.page.locator('#got').innerText(); }
}

// What anybody needs who does not see the page, or sees it badly.
async function accessible(visitor, what, page = visitor.page) {
  const found = await page.evaluate(() => {
    const light = (color) => {
      const [r, g, b] = color.match(/[\d.]+/g).slice(0, 3).map((part) => part / 255).map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
      for (let one = element; one; one = one.parentElement) {
        const color = getComputedStyle(one).backgroundColor;
        if (!/, 0\)$|transparent/.test(color)) return color;
      }
      return 'rgb(255, 255, 255)';
    };
    const faint = [...document.body.querySelectorAll('*')].filter((element) => {
      if (element.closest('option, script') || ![...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) return false;
      const [a, b] = [light(getComputedStyle(element).color), light(behind(element))].sort((x, y) => y - x);
      return (a + 0.05) / (b + 0.05) < 4.5;
    }).map((element) => element.outerHTML.slice(0, 80));
    const levels = [...document.querySelectorAll('h1, h2, h3')].map((heading) => Number(heading.localName[1]));
    return {
      lang: document.documentElement.lang,
      title: document.title,
      mains: document.querySelectorAll('main').length,
      order: levels[0] === 1 && levels.filter((level) => level === 1).length === 1 && levels.every((level, at) => at === 0 || level <= levels[at - 1] + 1),
      unlabelled: [...document.querySelectorAll('input:not([type=hidden]), select')].filter((field) => !field.labels.length).length,
      legends: [...document.querySelectorAll('fieldset')].every((set) => set.firstElementChild?.localName === 'legend'),
      headless: [...document.querySelectorAll('table')].filter((table) => table.rows.length && !table.querySelector('th[scope]')).length,
      ids: [...document.querySelectorAll('[id]')].length === new Set([...document.querySelectorAll('[id]')].map(({ id }) => id)).size,
      inline: document.querySelectorAll('[style], style, script:not([src])').length,
      wide: document.documentElement.scrollWidth > document.documentElement.clientWidth,
      faint,
    };
  });
  const holds = (name, good) => visitor.check(`${what}: ${name}`, good, JSON.stringify(found));
  holds('language and title', found.lang === 'fr' && found.title.length > 10);
  holds('one main, headings in order', found.mains === 1 && found.order);
  holds('labels and legends', found.unlabelled === 0 && found.legends && found.ids);
  holds('tables have headers', found.headless === 0);
  holds('contrast of 4.5 or more', found.faint.length === 0);
  holds('nothing inline, nothing too wide', found.inline === 0 && !found.wide);
}

const SCENARIOS = {
  async 'who signs in'(visitor) {
    const { page } = visitor;
    await visitor.ask();
    await accessible(visitor, 'the persona page'); // before the picture, which hides the caret by a style
    await visitor.picture('persona');
    visitor.check('it names client, scope and profile', /relais[^]*generic[^]*openid profile email/.test(await page.locator('main').innerText()));
    await page.locator('button.persona[value=angela]').click();
    visitor.check('by a button', (await visitor.got()).includes('GARANÇON'), await visitor.got());

    await visitor.ask();
    await page.getByLabel(/Identifiant/).fill('corse');
    await page.keyboard.press('Enter');
    visitor.check('by a typed name and Enter', (await visitor.got()).startsWith('signed in') && !(await visitor.got()).includes('GARANÇON'));

    await visitor.ask();
    await page.getByLabel(/Identifiant/).fill('personne');
    await visitor.press(/Se connecter/);
    await accessible(visitor, 'the page with a problem');
    await visitor.picture('unknown');
    visitor.check('an unknown name is told', /personne/.test(await page.getByRole('alert').innerText()));
    visitor.check('and stays in the field', await page.getByLabel(/Identifiant/).inputValue() === 'personne');
    await page.locator('button.persona[value=angela]').click();
    visitor.check('then by a button', (await visitor.got()).startsWith('signed in'));

    await visitor.ask({ login_hint: 'corse' });
    visitor.check('login_hint fills the field', await page.getByLabel(/Identifiant/).inputValue() === 'corse');
    await visitor.press(/Annuler/);
    visitor.check('who gives up is access_denied', await visitor.got() === 'access_denied');

    await fetch(`${visitor.client.stub}/_stub/api/v1/personas/aube`, { method: 'PUT', body: '{"given_names":["Aube"],"family_name":"NOUVELLE"}' });
    await visitor.ask();
    await page.locator('button.persona[value=aube]').click();
    visitor.check('by a person of the test', (await visitor.got()).includes('NOUVELLE'), await visitor.got());
  },

  async 'what goes wrong'(visitor) {
    const { page } = visitor;
    await visitor.ask();
    await page.getByLabel(/connexion seulement/).selectOption('token_500');
    await page.locator('button.persona[value=angela]').click();
    visitor.check('a fault by the list', await visitor.got() === 'token 500');
    await visitor.ask();
    await page.getByLabel(/Identifiant/).fill('angela:token_invalid_grant');
    await visitor.press(/Se connecter/);
    visitor.check('a fault by the typed name', await visitor.got() === 'token 400');
    await visitor.ask();
    await page.getByLabel(/Identifiant/).fill('E010004');
    await visitor.press(/Se connecter/);
    await visitor.picture('error');
    await accessible(visitor, 'the error page');
    visitor.check('an error code has its page', /010004/.test(await page.locator('main').innerText()));
    await page.getByRole('link', { name: /Revenir/ }).click();
    visitor.check('with its way back', await visitor.got() === 'access_denied');
    await visitor.ask();
    await page.getByLabel(/Identifiant/).fill('angela:returns_twice');
    await visitor.press(/Se connecter/);
    await visitor.picture('by-hand');
    await accessible(visitor, 'the answer behind links');
    await page.getByRole('link', { name: /Répondre/ }).first().click();
    visitor.check('an answer by hand', (await visitor.got()).startsWith('signed in'));
  },

  async 'the inspector'(visitor) {
    await fetch(`${visitor.client.stub}/_stub/api/v1/logins`, { method: 'DELETE' });
    const inspector = await visitor.tab();
    await inspector.goto(`${visitor.client.stub}/_stub/logins`);
    await visitor.picture('inspector-empty', inspector);
    await accessible(visitor, 'the empty inspector', inspector);
    const rows = inspector.locator('#live a');
    visitor.check('nothing yet', await rows.count() === 0);

    await visitor.ask();
    await visitor.page.getByLabel(/connexion seulement/).selectOption('wrong_nonce');
    await visitor.page.locator('button.persona[value=angela]').click();
    visitor.check('the client takes the wrong nonce, as it should not', (await visitor.got()).startsWith('signed in'));
    if (visitor.name === 'with-js') {
      await inspector.locator('#live', { hasText: 'userinfo 200' }).waitFor();
      visitor.check('a row appears by itself', await rows.count() === 1);
      await rows.first().focus();
      await fetch(`${visitor.client.stub}/generic/authorize?client_id=nobody`);
      await inspector.locator('#live', { hasText: 'authorize 400' }).waitFor();
      visitor.check('and whoever is on a link stays there', await inspector.evaluate(() => /wrong_nonce/.test(document.activeElement.closest('tr')?.innerText)));
    } else {
      await inspector.waitForTimeout(2_500);
      visitor.check('without script nothing moves', await rows.count() === 0);
      await inspector.reload();
      visitor.check('a row appears on reload', await rows.count() === 1);
    }
    await inspector.bringToFront();
    const row = await inspector.locator('tr', { hasText: 'wrong_nonce' }).innerText();
    visitor.check('the row says who and what', /angela/.test(row) && /wrong_nonce/.test(row) && /token 200/.test(row), row);
    await visitor.picture('inspector', inspector);
    await accessible(visitor, 'the inspector', inspector);

    await inspector.locator('tr', { hasText: 'wrong_nonce' }).getByRole('link').click();
    await inspector.getByRole('heading', { level: 1 }).waitFor();
    const text = await inspector.locator('main').innerText();
    visitor.check('what the client should have done', /should have done/.test(text) && /Compare nonce/.test(text), text);
    visitor.check('expectations that are met', (await inspector.locator('.checks li:not(.unmet)').allInnerTexts()).some((line) => /^✓ .*redirect_uri/.test(line)));
    visitor.check('and those that are not', (await inspector.locator('.checks li.unmet').allInnerTexts()).some((line) => /^✗ .*PKCE/.test(line)));
    visitor.check('tokens are decoded', /"nonce":/.test(text) && /"alg": "ES256"/.test(text));
    visitor.check('the secret is not shown', !text.includes(SECRET));
    await visitor.picture('login', inspector);
    await accessible(visitor, 'one login', inspector);

    await visitor.page.goto(visitor.client.stub);
    await visitor.picture('root');
    await accessible(visitor, 'the first page');
    await inspector.close();
  },
};

async function walk(browser, client) {
  for (const [name, javaScriptEnabled] of [['without-js', false], ['with-js', true]]) {
    for (const [scenario, steps] of Object.entries(SCENARIOS)) {
      const visitor = await Visitor.arrive(browser, client, name, javaScriptEnabled);
      try {
        await steps(visitor);
      } catch (error) {
        visitor.check(scenario, false, `at ${visitor.page.url().split('?')[0]}\n${error.stack}`);
        await visitor.picture('failed').catch(() => {});
      }
      visitor.check(`${scenario}: the browser's console is quiet`, visitor.complaints.length === 0, visitor.complaints.join('\n  '));
      visitor.check(`${scenario}: nobody else is asked`, visitor.strangers.length === 0, visitor.strangers.join('\n  '));
      await visitor.context.close();
    }
  }
}

let stop, browser;
const client = await startClient();
try {
  if (process.env.SCREENSHOTS) await mkdir(process.env.SCREENSHOTS, { recursive: true });
  stop = await startStub(client);
  browser = await chromium.launch({ // with a profile of its own, new each time
    executablePath: process.env.RELAIS_TEST_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
  await walk(browser, client);
} catch (error) {
  check('the walk', false, error.stack);
} finally {
  await browser?.close();
  await stop?.();
  await client.stop();
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
