// The control API by its own description, and namespaces that never meet, under logins in parallel.
import * as jose from 'jose';
import { BACK, Browser, ID, SECRET, check, end, withStub } from './stub.mjs';

const FROZEN = 1_900_000_000, AHEAD = 86_400;

async function call(api, method, path, body) {
  const answer = await fetch(api + path, { method, body });
  const text = await answer.text();
  return { status: answer.status, type: answer.headers.get('content-type') ?? '', text, json: text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : undefined };
}

// A login by hand: whose it is and when, or the status that the token endpoint refuses with.
async function login(at, { code } = {}) {
  const nonce = crypto.randomUUID() + crypto.randomUUID();
  const ask = new URLSearchParams({ response_type: 'code', client_id: ID, redirect_uri: BACK, scope: 'openid profile', state: nonce.slice(1), nonce });
  const back = code ? undefined : await new Browser().signIn(`${at}/generic/authorize?${ask}`, {});
  const answer = await fetch(`${at}/generic/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'authorization_code',
    code: code ?? back.searchParams.get('code'), redirect_uri: BACK, client_id: ID, client_secret: SECRET }) });
  if (answer.status !== 200) return { status: answer.status };
  const { id_token } = await answer.json();
  return { status: 200, id_token, good: jose.decodeJwt(id_token).nonce === nonce, ...jose.decodeJwt(id_token) };
}

// Some are asked for at once, in several namespaces.
const many = (count, deed) => Promise.all(Array.from({ length: count }, deed));

async function apart(base) {
  const [one, two] = ['one', 'two'].map((name) => `${base}/ns/${name}`);
  const [apiOne, apiTwo] = [one, two].map((at) => `${at}/_stub/api/v1`);
  const settings = [
    [apiOne, '/auto-login', '{"persona":"angela"}'], [apiOne, '/fault', '{"name":"token_503","times":2}'], [apiOne, '/clock', `{"offset":${AHEAD}}`],
    [apiTwo, '/auto-login', '{"persona":"corse"}'], [apiTwo, '/clock', `{"frozen":${FROZEN}}`],
    [apiTwo, '/scenario', '[[step]]\nfault = "wrong_nonce"\ntimes = 3\n'],
  ];
  const answers = await Promise.all(settings.map(([api, path, body]) => call(api, 'PUT', path, body)));
  check('both namespaces are set up at once', answers.every(({ status }) => status < 300), JSON.stringify(answers));

  const [first, second] = await Promise.all([many(8, () => login(one)), many(8, () => login(two))]);
  const refused = (logins) => logins.filter(({ status }) => status === 503).length;
  const now = Math.floor(Date.now() / 1000);
  check('the next 2 calls of the one fail, no other', refused(first) === 2 && refused(second) === 0);
  check('its others are good', first.filter(({ good }) => good).length === 6);
  check('three logins of the other have a wrong nonce', second.filter(({ good }) => !good).length === 3);
  const subs = (logins) => new Set(logins.map(({ sub }) => sub).filter(Boolean));
  check('one person each, and not the same', subs(first).size === 1 && subs(second).size === 1 && [...subs(first)][0] !== [...subs(second)][0]);
  check('the one runs a day ahead', first.every(({ iat }) => !iat || Math.abs(iat - now - AHEAD) < 30));
  check('the other stands still', second.every(({ iat }) => iat === FROZEN));
  check('issuers of their own', first.every(({ iss }) => !iss || iss === `${one}/generic`) && second.every(({ iss }) => iss === `${two}/generic`));

  const [keysOne, keysTwo] = await Promise.all([one, two].map(async (at) => (await fetch(`${at}/generic/jwks.json`)).json()));
  const token = second[0].id_token, set = (keys) => jose.createLocalJWKSet(keys);
  const verified = await jose.compactVerify(token, set(keysTwo)).then(() => true, () => false);
  const mixed = await jose.compactVerify(token, set(keysOne)).then(() => true, () => false);
  check('keys of their own', verified && !mixed);
  const ask = new URLSearchParams({ response_type: 'code', client_id: ID, redirect_uri: BACK, scope: 'openid', state: 's'.repeat(32), nonce: 'n'.repeat(32) });
  const code = (await new Browser().signIn(`${one}/generic/authorize?${ask}`, {})).searchParams.get('code');
  check("a code of the one is none of the other's", (await login(two, { code })).status === 400 && (await login(one, { code })).status === 200);

  const [journalOne, journalTwo, journal] = (await Promise.all([apiOne, apiTwo, `${base}/_stub/api/v1`].map((api) => call(api, 'GET', '/logins')))).map(({ json }) => json);
  const lengths = [journalOne, journalTwo, journal].map(({ length }) => length).join();
  check('journals of their own', lengths === '9,9,0', lengths);
  check('the journal knows who and what', journalOne.every(({ persona }) => persona === 'angela')
    && journalTwo.filter(({ fault, advice }) => fault === 'wrong_nonce' && advice).length === 3);
  check('the journal holds no secret', !JSON.stringify([journalOne, journalTwo]).includes(SECRET));
  const calls = (await call(apiTwo, 'GET', '/calls')).json;
  check('calls are counted', calls.authorize === 8 && calls.token === 9, JSON.stringify(calls));
  const page = await new Browser().open(`${base}/generic/authorize?${ask}`);
  check('without a namespace, none of this', page.status === 200 && page.text.includes('name="persona"'));
}

// Each operation of the document once, as its example says, and once with a body that it cannot take.
async function described(base) {
  const at = `${base}/ns/described`, api = `${at}/_stub/api/v1`;
  const document = (await call(api, 'GET', '/openapi.json')).json;
  check('OpenAPI 3.1', document.openapi.startsWith('3.1.') && document.servers[0].url === '/_stub/api/v1');
  const order = ['get', 'post', 'put', 'delete'];
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    order.filter((method) => item[method]).map((method) => ({ method, path, ...item[method] })));
  operations.sort((a, b) => order.indexOf(a.method) - order.indexOf(b.method) || b.path.length - a.path.length);
  check('as many operations as ids', operations.length > 20 && new Set(operations.map(({ operationId }) => operationId)).size === operations.length);

  await call(api, 'PUT', '/auto-login', '{"persona":"angela"}');
  await login(at);
  await call(`${base}/ns/forgotten/_stub/api/v1`, 'GET', '/clock');
  const ids = { '/personas/{id}': { get: 'angela', put: 'nouvelle', delete: 'nouvelle' }, '/logins/{id}': { get: '1' }, '/namespaces/{id}': { delete: 'forgotten' } };
  const documented = ({ responses }, status) => String(status) in responses || `${String(status)[0]}XX` in responses;
  for (const operation of operations) {
    const { method, path, requestBody } = operation;
    const [content] = Object.values(requestBody?.content ?? {});
    const body = content && (typeof content.example === 'string' ? content.example : JSON.stringify(content.example));
    const id = ids[path]?.[method];
    check(`${method} ${path}: its example is known here`, !path.includes('{id}') || id);
    if (body !== undefined) {
      const bad = await call(api, method.toUpperCase(), path.replace('{id}', id), '{"neither":this');
      check(`${method} ${path}: a bad body is refused, in JSON`, bad.status === 400 && documented(operation, 400) && bad.json?.error, bad.text);
    }
    const answer = await call(api, method.toUpperCase(), path.replace('{id}', id), body);
    const said = answer.status === 204 ? answer.text === '' : answer.type.startsWith('application/json');
    check(`${method} ${path}: done, as documented`, answer.status < 300 && documented(operation, answer.status) && said, `${answer.status} ${answer.text}`);
    if (id) {
      const missing = await call(api, method === 'put' ? 'GET' : method.toUpperCase(), path.replace('{id}', 'nobody'));
      check(`${method} ${path}: an unknown id is not found`, missing.status === 404 && missing.json?.error, missing.text);
    }
  }
  const foreign = await fetch(`${api}/fault`, { method: 'PUT', headers: { 'sec-fetch-site': 'cross-site' }, body: '{"name":"token_500"}' });
  check("another site's page changes nothing", foreign.status === 403 && (await call(api, 'GET', '/fault')).text === 'null');
}

await withStub([], async (base) => {
  await apart(base);
  await described(base);
});
end();
