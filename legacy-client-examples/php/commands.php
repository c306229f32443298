<?php
// The application's sealing and opening on the command line, for tests and for trying a key by hand.
declare(strict_types=1);

const USAGE = <<<'TEXT'
app.php vectors FILE
app.php seal-request KEYFILE APP CALLBACK_URL
app.php seal-logout KEYFILE APP SUB
app.php open-response KEYFILE APP < TOKEN
app.php open-refusal KEYFILE APP < TOKEN

TEXT;

/** Gives the exit status. */
function run(array $arguments): int
{
    $name = array_shift($arguments);
    try {
        if ($name === 'vectors' && count($arguments) === 1) {
            return vectors($arguments[0]);
        }
        if (in_array($name, ['seal-request', 'seal-logout'], true) && count($arguments) === 3) {
            [$keyfile, $app, $plaintext] = $arguments;
            echo seal(read_key($keyfile), $app, substr($name, 5), $plaintext), "\n";
            return 0;
        }
        if (in_array($name, ['open-response', 'open-refusal'], true) && count($arguments) === 2) {
            [$keyfile, $app] = $arguments;
            echo open_sealed(read_key($keyfile), $app, substr($name, 5), trim(stream_get_contents(STDIN)))[1], "\n";
            return 0;
        }
        fwrite(STDERR, USAGE);
    } catch (UnexpectedValueException $e) {
        fwrite(STDERR, $e->getMessage() . "\n");
    }
    return 1;
}

function vectors(string $path): int
{
    [$passed, $failed] = [0, 0];
    foreach (json_decode(file_get_contents($path), true)['vectors'] as $row) {
        if (in_array($row['wire'], ['aes-256-gcm', 'claim'], true)) {
            $good = holds($row);
            $good ? $passed++ : $failed++;
            echo $good ? '' : "failed: {$row['id']}\n";
        }
    }
    echo "$passed passed, $failed failed\n";
    return $passed > 0 && $failed === 0 ? 0 : 1;
}

/** Whether a row comes out as written: opened and sealed byte for byte, or refused. */
function holds(array $row): bool
{
    [$key, $app, $direction] = [hex2bin($row['key']), $row['app'], $row['direction'] ?? ''];
    if ($row['wire'] === 'claim') {
        return bin2hex(derive($key, "claim $app")) === $row['derived'];
    }
    try {
        $opened = open_sealed($key, $app, $direction, $row['token']);
    } catch (UnexpectedValueException $e) {
        return isset($row['refused']);
    }
    return !isset($row['refused']) && $opened === [$row['ts'], $row['plaintext']]
        && seal($key, $app, $direction, $row['plaintext'], $row['ts'], hex2bin($row['iv'])) === $row['token']
        && bin2hex(derive($key, "aes-256-gcm $direction $app")) === $row['derived'];
}
