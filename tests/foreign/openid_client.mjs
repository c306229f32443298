// npm `openid-client` signs in at each profile that it can serve, and refuses what is broken on purpose.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import * as jose from 'jose';
import * as client from 'openid-client';
import { AFTER, BACK, Browser, ID, SECRET, check, end, refuses, withStub } from './stub.mjs';

const keys = {
  decryption: await jose.generateKeyPair('ECDH-ES', { crv: 'P-256', extractable: true }),
  signature: await jose.generateKeyPair('ES256', { extractable: true }),
};
const jwks = { keys: [
  { ...await jose.exportJWK(keys.decryption.publicKey), kid: 'enc-1', use: 'enc', alg: 'ECDH-ES' },
  { ...await jose.exportJWK(keys.signature.publicKey), kid: 'sig-1', use: 'sig', alg: 'ES256' },
] };
const byKey = client.PrivateKeyJwt({ key: keys.signature.privateKey, kid: 'sig-1' });
const byPost = client.ClientSecretPost(SECRET);
const decrypting = (config) => client.enableDecryptingResponses(
  config, ['A256GCM'], { key: keys.decryption.privateKey, kid: 'enc-1', alg: 'ECDH-ES' });

const FRANCE = { scope: 'openid given_name family_name birthdate email', acr_values: 'eidas1' };
const PROFILES = {
  generic: { path: '/generic', auth: client.ClientSecretBasic(SECRET), pkce: true, metadata: {},
    ask: { scope: 'openid profile email' } },
  franceconnect_v2: { path: '/api/v2', auth: byPost, metadata: { userinfo_signed_response_alg: 'ES256' }, ask: FRANCE },
  franceconnect_plus: { path: '/fcp/api/v2', auth: byPost, more: [decrypting],
    metadata: { userinfo_signed_response_alg: 'ES256' }, ask: { ...FRANCE, acr_values: 'eidas2' } },
  proconnect: { path: '/proconnect/api/v2', auth: byKey, pkce: true, persona: 'agent', refresh: true,
    metadata: { userinfo_signed_response_alg: 'ES256' },
    ask: { scope: 'openid given_name usual_name email siret', acr_values: 'eidas1' } },
};

async function discover(base, profile, alg, auth = profile.auth) {
  const metadata = { ...profile.metadata, client_secret: SECRET, id_token_signed_response_alg: alg };
  if (metadata.userinfo_signed_response_alg) metadata.userinfo_signed_response_alg = alg;
  return client.discovery(new URL(base + profile.path), ID, metadata, auth, {
    // Without the second, the library trusts the connection to the token endpoint instead of the signature.
    execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks, ...profile.more ?? []],
  });
}

// A whole login: the request, the page, the code, the tokens, userinfo.
async function signIn(config, profile, { browser = new Browser(), ...choice }) {
  const checks = { expectedNonce: client.randomNonce(), expectedState: client.randomState() };
  const ask = { ...profile.ask, redirect_uri: BACK, nonce: checks.expectedNonce, state: checks.expectedState };
  if (profile.pkce) {
    checks.pkceCodeVerifier = client.randomPKCECodeVerifier();
    ask.code_challenge = await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier);
    ask.code_challenge_method = 'S256';
  }
  const back = await browser.signIn(client.buildAuthorizationUrl(config, ask), choice);
  const tokens = await client.authorizationCodeGrant(config, back, checks);
  const info = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
  return { tokens, info };
}

async function profile(name, base, alg, auth) {
  const one = PROFILES[name];
  const called = `${name} ${alg}${auth ? ' private_key_jwt' : ''}`;
  const config = await discover(base, one, alg, auth);
  const browser = new Browser();
  const { tokens, info } = await signIn(config, one, { browser, persona: one.persona ?? 'angela' });
  const jws = one.more ? client.getDecryptedResponses(tokens).id_token.token_endpoint : tokens.id_token;
  check(`${called}: a JWE of five parts`, !one.more || tokens.id_token.split('.').length === 5);
  check(`${called}: signed as registered`, jose.decodeProtectedHeader(jws).alg === alg);
  check(`${called}: one subject`, info.sub.length > 10 && info.sub === tokens.claims().sub);
  const family = info.family_name ?? info.usual_name;
  check(`${called}: the person's names`, Boolean(info.given_name && family && info.email), JSON.stringify(info));
  check(`${called}: the level asked for`, !one.ask.acr_values || tokens.claims().acr === one.ask.acr_values);
  check(`${called}: a refresh token or none`, Boolean(tokens.refresh_token) === Boolean(one.refresh));
  if (one.refresh) {
    const next = await client.refreshTokenGrant(config, tokens.refresh_token);
    check(`${called}: refreshed`, next.claims().sub === info.sub && next.access_token !== tokens.access_token);
  }
  const typed = await signIn(config, one, { login: one.persona ?? 'corse' });
  check(`${called}: by typed login`, (typed.info.sub === info.sub) === Boolean(one.persona));

  const ask = { post_logout_redirect_uri: AFTER, id_token_hint: jws, state: client.randomState() };
  const out = await browser.open(client.buildEndSessionUrl(config, ask));
  check(`${called}: logout comes back with state`, out.location?.searchParams.get('state') === ask.state, out.text);
  const again = await browser.open(client.buildAuthorizationUrl(config, { ...one.ask, redirect_uri: BACK,
    nonce: client.randomNonce(), state: client.randomState() }));
  check(`${called}: signed out`, again.status === 200 && /name="persona"/.test(again.text));
  const cancelled = await browser.submit(again, ['cancel', '1']);
  check(`${called}: who gives up brings back access_denied`, cancelled.location?.searchParams.get('error') === 'access_denied');
}

// Faults that this library is known to see, and the words in which it says so. `accepted` shows that they are no
// stricter than they should be.
const FAULTS = [
  ['state_wrong', /"state"/], ['iss_wrong', /"iss"/], ['iss_missing', /"iss"/],
  ['access_denied', /access_denied/], ['code_expired', /invalid_grant/],
  ['token_500', /500|status code/], ['token_html', /content-type/i], ['token_garbled', /parse|JSON/i], ['no_id_token', /id_token|ID Token/i],
  ['wrong_nonce', /"nonce"/], ['nonce_missing', /"nonce"/], ['wrong_issuer', /"iss"/], ['aud_wrong', /"aud"/],
  ['expired_id_token', /"exp"|"iat"/], ['exp_missing', /"exp"/], ['sub_missing', /"sub"/],
  ['bad_signature', /signature/], ['alg_none', /"alg"/], ['alg_confusion', /"alg"/], ['key_unknown', /key|JWKS?/i],
  ['crit_unknown', /crit/],
  ['token_cookies', /fetch failed/], // 40 KB of headers: more than Node takes from anybody
];
const USERINFO_FAULTS = [['sub_differs', /"sub"/], ['userinfo_500', /500|status code/], ['userinfo_401', /invalid_token|401/]];
const SIGNED_USERINFO_FAULTS = [['userinfo_bad_signature', /signature/], ['userinfo_json', /JWT|content-type/i], ['userinfo_alg_none', /"alg"/]];
const ENCRYPTION_FAULTS = [['jwe_wrong_recipient', /decrypt/i], ['jwe_tag_altered', /decrypt/i]];
const ACCEPTED = ['none', 'skewed_clock', 'key_rotated', 'acr_high', 'amr_text', 'claims_hostile', 'logout_state_dropped'];

async function faults(name, base, table) {
  const one = PROFILES[name];
  for (const [fault, words] of table) {
    const config = await discover(base, one, 'ES256');
    const choice = { persona: one.persona ?? 'angela', fault };
    await refuses(`${name}: ${fault} is refused`, words, () => signIn(config, one, choice));
  }
  for (const fault of ACCEPTED) {
    const config = await discover(base, one, 'ES256'); // the library keeps keys for a minute, whatever comes
    const { info } = await signIn(config, one, { persona: one.persona ?? 'angela', fault: fault === 'none' ? '' : fault });
    check(`${name}: ${fault} is accepted`, info.sub.length > 10);
  }
}

// The application of docs/stub-upstream.md, as it stands there.
async function application(issuer, port) {
  const child = spawn('node', [fileURLToPath(new URL('openid_client_app.mjs', import.meta.url))],
    { env: { ...process.env, ISSUER: issuer, PORT: port }, stdio: 'inherit' });
  const ended = new Promise((done) => child.once('close', done));
  const here = `http://127.0.0.1:${port}/`;
  try {
    for (let tries = 0; tries < 100 && !await fetch(here, { redirect: 'manual' }).catch(() => false); tries += 1) await setTimeout(50);
    const browser = new Browser();
    const page = await browser.submit(await browser.open(here), ['persona', 'angela']);
    check('the application: signed in', page.text === 'signed in: Angéla Zoé Maëlys GARANÇON', page.text);
    const other = new Browser();
    const refused = await other.submit(await other.open(here), ['persona', 'angela'], { fault: 'wrong_nonce' });
    check('the application: a fault is refused', refused.status === 400 && refused.text.startsWith('not signed in: '), refused.text);
  } finally {
    child.kill();
    await ended;
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

const directory = await mkdtemp(join(tmpdir(), 'foreign-'));
try {
  const file = join(directory, 'jwks.json');
  await writeFile(file, JSON.stringify(jwks));
  await withStub(['--client-jwks', file], async (base) => {
    for (const name of Object.keys(PROFILES)) await profile(name, base, 'ES256');
    await profile('generic', base, 'ES256', byKey);
    await profile('franceconnect_v2', base, 'ES256', byKey);
    await faults('generic', base, [...FAULTS, ...USERINFO_FAULTS]);
    await faults('franceconnect_v2', base, [...FAULTS, ...USERINFO_FAULTS, ...SIGNED_USERINFO_FAULTS]);
    await faults('proconnect', base, [...FAULTS, ...USERINFO_FAULTS, ...SIGNED_USERINFO_FAULTS]);
    await faults('franceconnect_plus', base, [...FAULTS, ...ENCRYPTION_FAULTS]);
    // The library takes a bare JWS where a JWE was registered; whoever uses it must ask what was decrypted.
    const plus = PROFILES.franceconnect_plus;
    const { tokens } = await signIn(await discover(base, plus, 'ES256'), plus, { persona: 'angela', fault: 'jwe_plain' });
    check('franceconnect_plus: jwe_plain can be seen', client.getDecryptedResponses(tokens) === undefined);
  });
  await withStub(['--rs256'], (base) => profile('generic', base, 'RS256'));
  const port = await freePort();
  await withStub(['--redirect-uri', `http://127.0.0.1:${port}/callback/oidc`], (base) => application(`${base}/generic`, port));
  await withStub(['--auto-login', 'angela'], async (base) => {
    const config = await discover(base, PROFILES.generic, 'ES256');
    const { info } = await signIn(config, PROFILES.generic, {});
    check('auto-login: no page', info.family_name.length > 3);
  });
} finally {
  await rm(directory, { recursive: true, force: true });
}
end();
