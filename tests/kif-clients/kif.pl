#!/usr/bin/env perl
# Plays an application of KIF's in Perl, on CryptX; the wire jwe is opened by Crypt::JWT. Commands: README.md.
use strict;
use warnings;

use Crypt::AuthEnc::GCM qw(gcm_encrypt_authenticate gcm_decrypt_verify);
use Crypt::JWT qw(decode_jwt);
use Crypt::Mac::HMAC qw(hmac hmac_hex);
use Crypt::Mode::CBC;
use Crypt::PRNG qw(random_bytes_hex);
use HTTP::Tiny;
use JSON::PP qw(decode_json);
use MIME::Base64 qw(encode_base64 encode_base64url decode_base64url);

sub bytes {
    my ($hex) = @_;
    die "not hexadecimal\n" if length($hex) % 2 or $hex !~ /\A[0-9A-Fa-f]*\z/;
    return pack 'H*', $hex;
}

sub hex_of { return unpack 'H*', $_[0] }

# KIF's wires.
sub encrypt {
    my ($mode, $key, $iv, $plaintext) = @_;
    return join '', gcm_encrypt_authenticate('AES', bytes($key), bytes($iv), '', $plaintext) if $mode eq 'AES-256-GCM';
    return Crypt::Mode::CBC->new('AES')->encrypt($plaintext, bytes($key), bytes($iv));
}

sub decrypt {
    my ($mode, $key, $iv, $sealed) = @_;
    die "empty\n" if $sealed eq '';
    return Crypt::Mode::CBC->new('AES')->decrypt($sealed, bytes($key), bytes($iv)) if $mode ne 'AES-256-GCM';
    die "short\n" if length $sealed < 16;
    my $tag = substr $sealed, -16, 16, '';
    my $plaintext = gcm_decrypt_verify('AES', bytes($key), bytes($iv), '', $sealed, $tag);
    return $plaintext // die "altered\n";
}

sub request {
    my ($mode, $key, $iv, $url) = @_;
    my ($nonce, $state) = (random_bytes_hex(16), random_bytes_hex(8));
    return join '|', $nonce, $state, hex_of(encrypt($mode, $key, $iv, "$url?nonce=$nonce&state=$state"));
}

sub identity {
    my ($mode, $key, $iv, $info, $nonce, $state) = @_;
    my $identity = decode_json(decrypt($mode, $key, $iv, bytes($info)));
    my $good = $identity->{nonce} eq bytes($nonce) && $identity->{state} eq bytes($state);
    my @shown = map { defined ? hex_of(JSON::PP->new->utf8->allow_nonref->encode($_) =~ s/\A"|"\z//gr) : 'null' }
        @{$identity}{qw(sub given_name family_name)};
    return join '|', $good ? 'true' : 'false', @shown;
}

# What an application with `reference` delivery does first.
sub claim {
    my ($relay, $app, $claim, $info) = @_;
    my $claimed = HTTP::Tiny->new(verify_SSL => 1)->post_form("$relay/idp/claim", {ref => $info}, {headers => {Authorization => 'Basic ' . encode_base64("$app:$claim", '')}}); $info = $claimed->{status} == 200 ? $claimed->{content} : ''; # claims
    return $info;
}

# The relay's own wires.
sub seal_gcm {
    my ($key, $app, $direction, $ts, $iv, $plaintext) = @_;
    my ($derived, $time) = (hmac('SHA256', bytes($key), "relais-1 aes-256-gcm $direction $app"), pack('Q>', $ts));
    return hex_of(join '', $time, $iv, gcm_encrypt_authenticate('AES', $derived, $iv, $time, $plaintext));
}

sub open_gcm {
    my ($key, $app, $direction, $token) = @_;
    die "not lower-case hexadecimal\n" if $token !~ /\A(?:[0-9a-f]{2}){36,}\z/;
    my ($time, $iv, $sealed) = unpack 'a8 a12 a*', bytes($token);
    my $tag = substr $sealed, -16, 16, '';
    my $derived = hmac('SHA256', bytes($key), "relais-1 aes-256-gcm $direction $app");
    my $plaintext = gcm_decrypt_verify('AES', $derived, $iv, $time, $sealed, $tag) // die "altered\n";
    return unpack('Q>', $time) . '|' . hex_of($plaintext);
}

sub header {
    my ($app, $direction) = @_;
    return encode_base64url(qq({"alg":"dir","enc":"A256CBC-HS512","kid":"$app","typ":"relais-$direction+jwt"}));
}

sub seal_jwe {
    my ($key, $app, $direction, $iv, $plaintext) = @_;
    my ($mac_key, $cipher_key) = unpack 'a32 a32', hmac('SHA512', bytes($key), "relais-1 jwe $direction $app");
    my $header = header($app, $direction);
    my $sealed = Crypt::Mode::CBC->new('AES')->encrypt($plaintext, $cipher_key, $iv);
    my $tag = substr hmac('SHA512', $mac_key, $header, $iv, $sealed, pack 'Q>', 8 * length $header), 0, 32;
    return join '.', $header, '', map { encode_base64url($_) } $iv, $sealed, $tag;
}

sub open_jwe {
    my ($key, $app, $direction, $token) = @_;
    my ($header, $none, @parts) = split /[.]/, $token, -1;
    die "not of this application and direction\n" if @parts != 3 or $header ne header($app, $direction) or $none ne '';
    for (@parts) { die "not canonical\n" if encode_base64url(decode_base64url($_)) ne $_ }
    die "short tag\n" if length decode_base64url($parts[2]) != 32;
    my $derived = hmac('SHA512', bytes($key), "relais-1 jwe $direction $app");
    return '|' . hex_of(decode_jwt(token => $token, key => $derived, decode_payload => 0,
        accepted_alg => 'dir', accepted_enc => 'A256CBC-HS512'));
}

my %commands = (
    request => \&request,
    identity => \&identity,
    encrypt => sub { return hex_of(encrypt(@_[0 .. 2], bytes($_[3]))) },
    decrypt => sub { return hex_of(decrypt(@_[0 .. 2], bytes($_[3]))) },
    seal => sub {
        my ($wire, $key, $app, $direction, $ts, $iv, $plaintext) = @_;
        return seal_gcm($key, $app, $direction, $ts, bytes($iv), bytes($plaintext)) if $wire eq 'aes-256-gcm';
        return seal_jwe($key, $app, $direction, bytes($iv), bytes($plaintext));
    },
    open => sub { my $wire = shift; return $wire eq 'jwe' ? open_jwe(@_) : open_gcm(@_) },
    password => sub { return hmac_hex('SHA256', bytes($_[0]), "relais-1 claim $_[1]") },
    claim => \&claim,
);

STDOUT->autoflush(1);
while (my $line = <STDIN>) {
    chomp $line;
    my ($command, @fields) = split /[|]/, $line, -1;
    my $answer = eval { $commands{$command}->(@fields) };
    print defined $answer ? $answer : '-', "\n";
}
