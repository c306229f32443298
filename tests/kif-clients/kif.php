<?php
// Plays an application of KIF's in PHP, on its openssl extension. Commands: README.md.
declare(strict_types=1);

function bytes(string $hex): string
{
    if (!preg_match('/\A(?:[0-9A-Fa-f]{2})*\z/', $hex)) {
        throw new UnexpectedValueException('not hexadecimal');
    }
    return hex2bin($hex);
}

function good(string|false $text): string
{
    return $text === false ? throw new UnexpectedValueException('does not open') : $text;
}

// KIF's wires.
function encrypt(string $mode, string $key, string $iv, string $plaintext): string
{
    if ($mode === 'AES-256-GCM') {
        return openssl_encrypt($plaintext, 'aes-256-gcm', bytes($key), OPENSSL_RAW_DATA, bytes($iv), $tag) . $tag;
    }
    return openssl_encrypt($plaintext, 'aes-256-cbc', bytes($key), OPENSSL_RAW_DATA, bytes($iv));
}

function decrypt(string $mode, string $key, string $iv, string $sealed): string
{
    if ($mode !== 'AES-256-GCM') {
        return good(openssl_decrypt($sealed, 'aes-256-cbc', bytes($key), OPENSSL_RAW_DATA, bytes($iv)));
    }
    if (strlen($sealed) < 16) {
        throw new UnexpectedValueException('short');
    }
    [$sealed, $tag] = [substr($sealed, 0, -16), substr($sealed, -16)];
    return good(openssl_decrypt($sealed, 'aes-256-gcm', bytes($key), OPENSSL_RAW_DATA, bytes($iv), $tag));
}

function request(string $mode, string $key, string $iv, string $url): string
{
    [$nonce, $state] = [bin2hex(random_bytes(16)), bin2hex(random_bytes(8))];
    return "$nonce|$state|" . bin2hex(encrypt($mode, $key, $iv, "$url?nonce=$nonce&state=$state"));
}

function identity(string $mode, string $key, string $iv, string $info, string $nonce, string $state): string
{
    $identity = json_decode(decrypt($mode, $key, $iv, bytes($info)), true, 32, JSON_THROW_ON_ERROR);
    $shown = fn ($name) => isset($identity[$name]) ? bin2hex($identity[$name]) : 'null';
    $good = $identity['nonce'] === bytes($nonce) && $identity['state'] === bytes($state);
    return implode('|', [$good ? 'true' : 'false', $shown('sub'), $shown('given_name'), $shown('family_name')]);
}

// What an application with `reference` delivery does first.
function claim(string $relay, string $app, string $claim, string $info): string
{
    $info = (string) @file_get_contents("$relay/idp/claim", false, stream_context_create(['http' => ['method' => 'POST', 'header' => ['Authorization: Basic ' . base64_encode("$app:$claim"), 'Content-Type: application/x-www-form-urlencoded'], 'content' => http_build_query(['ref' => $info]), 'follow_location' => 0]])); // claims
    return $info;
}

// The relay's wire for platforms without GCM.
function base64url(string $bytes): string
{
    return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
}

function unbase64url(string $text): string
{
    $bytes = good(base64_decode(strtr($text, '-_', '+/'), true));
    return base64url($bytes) === $text ? $bytes : throw new UnexpectedValueException('not canonical');
}

function header_of(string $app, string $direction): string
{
    return base64url("{\"alg\":\"dir\",\"enc\":\"A256CBC-HS512\",\"kid\":\"$app\",\"typ\":\"relais-$direction+jwt\"}");
}

function jwe_key(string $key, string $app, string $direction): array
{
    return str_split(hash_hmac('sha512', "relais-1 jwe $direction $app", bytes($key), true), 32);
}

function jwe_tag(string $key, string $header, string $iv, string $sealed): string
{
    return substr(hash_hmac('sha512', $header . $iv . $sealed . pack('J', 8 * strlen($header)), $key, true), 0, 32);
}

function seal(string $wire, string $key, string $app, string $direction, string $ts, string $iv, string $text): string
{
    [[$mac_key, $cipher_key], $header] = [jwe_key($key, $app, $direction), header_of($app, $direction)];
    $sealed = openssl_encrypt(bytes($text), 'aes-256-cbc', $cipher_key, OPENSSL_RAW_DATA, bytes($iv));
    $parts = array_map(base64url(...), [bytes($iv), $sealed, jwe_tag($mac_key, $header, bytes($iv), $sealed)]);
    return implode('.', [$header, '', ...$parts]);
}

function open(string $wire, string $key, string $app, string $direction, string $token): string
{
    [[$mac_key, $cipher_key], $header] = [jwe_key($key, $app, $direction), header_of($app, $direction)];
    $parts = explode('.', $token);
    if (count($parts) !== 5 || $parts[0] !== $header || $parts[1] !== '') {
        throw new UnexpectedValueException('not of this application and direction');
    }
    [$iv, $sealed, $tag] = array_map(unbase64url(...), array_slice($parts, 2));
    if (!hash_equals(jwe_tag($mac_key, $header, $iv, $sealed), $tag)) {
        throw new UnexpectedValueException('altered');
    }
    return '|' . bin2hex(good(openssl_decrypt($sealed, 'aes-256-cbc', $cipher_key, OPENSSL_RAW_DATA, $iv)));
}

$commands = [
    'request' => request(...),
    'identity' => identity(...),
    'encrypt' => fn ($mode, $key, $iv, $text) => bin2hex(encrypt($mode, $key, $iv, bytes($text))),
    'decrypt' => fn ($mode, $key, $iv, $sealed) => bin2hex(decrypt($mode, $key, $iv, bytes($sealed))),
    'seal' => seal(...),
    'open' => open(...),
    'password' => fn ($key, $app) => hash_hmac('sha256', "relais-1 claim $app", bytes($key)),
    'claim' => claim(...),
];
while (($line = fgets(STDIN)) !== false) {
    $fields = explode('|', rtrim($line, "\n"));
    try {
        $answer = $commands[array_shift($fields)](...$fields);
    } catch (UnexpectedValueException | JsonException) {
        $answer = '-';
    }
    fwrite(STDOUT, "$answer\n");
}
