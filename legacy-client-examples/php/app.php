<?php
// An ordinary small application that signs its users in through relais, on the wire aes-256-gcm.
// Needs PHP 7.1 with openssl. To copy: seal(), open_sealed(), claim(), judge(), and the routes login() and back().
declare(strict_types=1);

const ATTEMPT = 900; // seconds to sign in
const TABS = 8; // attempts of one session at once: each tab has its own, and the oldest falls
const SESSION = 3600; // seconds to stay signed in
const SKEW = 300; // seconds between two clocks
const LONGEST = 65536; // bytes of an answer
define('PORT', getenv('PORT') ?: '8090');
define('HERE', getenv('APP_URL') ?: 'http://127.0.0.1:' . PORT); // HERE/retour is the callback registered at relais
define('RELAIS', rtrim(getenv('RELAIS_URL') ?: 'http://127.0.0.1:8080', '/'));
define('APP', getenv('RELAIS_APP') ?: 'demo');
const REFUSALS = [ // what people read, by the code of a refusal
    'access_denied' => 'Connexion annulée ou refusée.',
    'login_required' => 'Il faut vous identifier de nouveau.',
    'temporarily_unavailable' => 'Le fournisseur d’identité est indisponible. Attendez quelques minutes.',
    'unmet_authentication_requirements' => 'Cette application demande un moyen de connexion plus sûr.',
    'server_error' => 'La connexion a échoué. Si cela persiste, communiquez la référence au support.',
];
define('BY_REFERENCE', getenv('DELIVERY') === 'reference');

function insist(bool $condition, string $otherwise): void {
    if (!$condition) {
        throw new UnexpectedValueException($otherwise);
    }
}

function read_key(string $path): string {
    $key = trim((string) file_get_contents($path));
    insist(strlen($key) === 64 && strspn($key, '0123456789abcdefABCDEF') === 64, 'a key is 64 hexadecimal digits');
    return hex2bin($key);
}

// The wire: lowercase hex of ts (8 bytes) . iv (12) . ciphertext . tag (16); ts is authenticated with the rest.
function derive(string $key, string $purpose): string {
    return hash_hmac('sha256', "relais-1 $purpose", $key, true);
}

function seal(string $key, string $app, string $direction, string $plain, ?int $ts = null, ?string $iv = null): string {
    $ts = pack('NN', 0, $ts ?? time());
    $iv = $iv ?? random_bytes(12); // new for every message; only the test vectors give one
    $key = derive($key, "aes-256-gcm $direction $app");
    $sealed = openssl_encrypt($plain, 'aes-256-gcm', $key, OPENSSL_RAW_DATA, $iv, $tag, $ts, 16);
    return bin2hex($ts . $iv . $sealed . $tag);
}

/** Gives [ts, plaintext], or throws. Whether ts is recent is for judge() to say. */
function open_sealed(string $key, string $app, string $direction, string $token): array {
    $length = strlen($token);
    insist($length >= 72 && $length % 2 === 0 && strspn($token, '0123456789abcdef') === $length, 'not lowercase hex');
    [$raw, $key] = [hex2bin($token), derive($key, "aes-256-gcm $direction $app")];
    [$ts, $iv, $sealed, $tag] = [substr($raw, 0, 8), substr($raw, 8, 12), substr($raw, 20, -16), substr($raw, -16)];
    $plain = openssl_decrypt($sealed, 'aes-256-gcm', $key, OPENSSL_RAW_DATA, $iv, $tag, $ts);
    insist($plain !== false && preg_match('//u', $plain) === 1, 'not authentic, or not UTF-8');
    $words = unpack('Nhigh/Nlow', $ts);
    return [$words['high'] * 4294967296 + $words['low'], $plain];
}

/** Exchanges a reference for the sealed answer, from server to server. Anything but 200 ends the attempt. */
function claim(string $key, string $reference): string {
    insist(preg_match('~^[A-Za-z0-9_-]{43}$~D', $reference) === 1, 'not a reference');
    $header = 'Authorization: Basic ' . base64_encode(APP . ':' . bin2hex(derive($key, 'claim ' . APP)))
        . "\r\nContent-Type: application/x-www-form-urlencoded";
    $body = http_build_query(['ref' => $reference]);
    $http = ['method' => 'POST', 'header' => $header, 'content' => $body, 'timeout' => 5, 'follow_location' => 0];
    $answer = @fopen(RELAIS . '/idp/claim', 'r', false, stream_context_create(['http' => $http]));
    $status = $answer ? stream_get_meta_data($answer)['wrapper_data'][0] : '';
    insist(preg_match('~^HTTP/1\.[01] 200 ~', $status) === 1, 'the reference was not accepted');
    [$until, $text] = [time() + 5, '']; // for the whole of it: the time above is for each wait
    while (!feof($answer) && strlen($text) <= LONGEST) {
        insist(time() <= $until, 'the answer takes too long');
        $text .= fread($answer, 8192);
    }
    insist(strlen($text) <= LONGEST, 'the answer is too long');
    return $text;
}

/** Equal strings, compared in constant time. A missing value equals nothing. Never ==: in PHP "0e1" == "0e2". */
function same($kept, $received): bool {
    return is_string($kept) && $kept !== '' && is_string($received) && hash_equals($kept, $received);
}

/** Gives [claims, checks], or throws. Unless every check is true, the claims are not to be used. */
function judge(string $key, string $direction, string $token, array $attempts): array {
    [$ts, $text] = open_sealed($key, APP, $direction, $token);
    $claims = json_decode($text);
    insist($claims instanceof stdClass, 'not a JSON object');
    $claims = (array) $claims + ['iss' => null, 'aud' => null, 'sub' => null, 'state' => null, 'nonce' => null];
    $known = is_string($claims['state']) ? $attempts[$claims['state']] ?? [] : [];
    $attempt = $known + ['state' => null, 'nonce' => null, 'until' => 0];
    $checks = ['message authentique' => true, 'horodatage' => abs(time() - $ts) <= SKEW];
    $checks['tentative'] = $attempt['until'] > time();
    $checks['state'] = same($attempt['state'], $claims['state']);
    $checks['nonce'] = same($attempt['nonce'], $claims['nonce']);
    if ($direction === 'response') {
        $checks += ['iss' => $claims['iss'] === RELAIS, 'aud' => $claims['aud'] === APP];
        $checks['sub'] = is_string($claims['sub']) && $claims['sub'] !== '';
    }
    return [$claims, $checks];
}

/** The attempts of this browser that are not over. */
function live(array $attempts): array {
    return array_filter($attempts, function (array $attempt): bool { return $attempt['until'] > time(); });
}

function home(): void {
    if (isset($_SESSION['claims'])) {
        page('<a href="/logout">Se déconnecter</a>', 200, $_SESSION['checks'], $_SESSION['claims']);
    } else {
        page('<a href="/login">Se connecter</a>');
    }
}

function login(string $key): void { // msg is made here, on the click
    [$state, $nonce] = [bin2hex(random_bytes(16)), bin2hex(random_bytes(16))];
    $others = array_slice($_SESSION['attempts'] ?? [], 1 - TABS, null, true);
    $_SESSION['attempts'] = $others + [$state => ['state' => $state, 'nonce' => $nonce, 'until' => time() + ATTEMPT]];
    $msg = seal($key, APP, 'request', HERE . "/retour?state=$state&nonce=$nonce");
    header('Location: ' . RELAIS . '/idp/' . APP . "?msg=$msg", true, 302);
}

function back(string $key): void {
    $attempts = live($_SESSION['attempts'] ?? []);
    unset($_SESSION['attempts']); // whatever follows
    $refusal = isset($_GET['info_error']);
    try {
        $token = $_GET[$refusal ? 'info_error' : 'info'] ?? null;
        insist($attempts !== [], 'no attempt of this browser'); // before anything is spent on a stranger's word
        insist(is_string($token) && !($refusal && isset($_GET['info'])), 'exactly one answer is expected');
        $token = BY_REFERENCE && !$refusal ? claim($key, $token) : $token; // a refusal never travels by reference
        [$claims, $checks] = judge($key, $refusal ? 'refusal' : 'response', $token, $attempts);
        $state = is_string($claims['state']) ? $claims['state'] : '';
        $_SESSION['attempts'] = array_diff_key($attempts, [$state => null]); // an authentic answer ends its own only
    } catch (UnexpectedValueException $e) {
        [$claims, $checks] = [[], ['message authentique' => false]];
    }
    if (in_array(false, $checks, true) && isset($_SESSION['claims'])) {
        header('Location: /', true, 302); // signed in already, by another tab say: this answer changes nothing
    } elseif (in_array(false, $checks, true)) {
        page('Réponse non valable. <a href="/login">Recommencer</a>', 403, $checks);
    } elseif ($refusal) {
        $code = is_string($claims['error'] ?? null) ? $claims['error'] : '';
        $text = REFUSALS[$code] ?? REFUSALS['server_error'];
        page("$text <a href=\"/login\">Recommencer</a>", 403, $checks, array_filter($claims));
    } else {
        $_SESSION = ['claims' => $claims, 'checks' => $checks, 'until' => time() + SESSION]; // nothing remains of the old session
        session_regenerate_id(true);
        header('Location: /', true, 302);
    }
}

function logout(): void {
    session_destroy();
    header('Location: ' . RELAIS . '/logout/' . APP, true, 302);
}

function page(string $text, int $status = 200, array $checks = [], array $claims = []): void {
    http_response_code($status);
    echo '<!doctype html><html lang="fr"><meta charset="utf-8"><title>Application PHP</title><h1>Application PHP</h1>';
    echo "<p>$text</p><ul>";
    foreach ($checks as $name => $good) {
        echo '<li>', $good ? '✔ ' : '✖ ', $name;
    }
    echo '</ul><dl>';
    foreach ($claims as $name => $value) {
        $value = is_string($value) ? $value : (string) json_encode($value);
        echo '<dt>', htmlspecialchars((string) $name, ENT_QUOTES), '<dd>', htmlspecialchars($value, ENT_QUOTES);
    }
    echo '</dl></html>';
}

if (PHP_SAPI === 'cli') { // what the tests use, and a way to try a key by hand
    require __DIR__ . '/commands.php';
    exit(run(array_slice($argv, 1)));
}
ini_set('display_errors', '0');
session_start([ // cookies ignore ports: applications on one host must not share a session's name
    'name' => 'session_php_' . PORT, 'use_strict_mode' => 1, 'use_only_cookies' => 1, 'cache_limiter' => '',
    'cookie_httponly' => 1, 'cookie_secure' => (int) (strpos(HERE, 'https:') === 0),
] + (PHP_VERSION_ID < 70300 ? ['cookie_path' => '/; SameSite=Lax'] : ['cookie_samesite' => 'Lax']));
if (($_SESSION['until'] ?? PHP_INT_MAX) < time()) {
    $_SESSION = ['attempts' => $_SESSION['attempts'] ?? []]; // signed in long enough
}
header('Cache-Control: no-store');
header('Referrer-Policy: no-referrer');
header("Content-Security-Policy: default-src 'none'; frame-ancestors 'none'");
$routes = ['GET /' => 'home', 'GET /login' => 'login', 'GET /retour' => 'back', 'GET /logout' => 'logout'];
$route = $routes[$_SERVER['REQUEST_METHOD'] . ' ' . explode('?', $_SERVER['REQUEST_URI'])[0]] ?? null;
$route ? $route(read_key((string) getenv('RELAIS_KEY_FILE'))) : page('Cette page n’existe pas.', 404);
