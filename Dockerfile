# The relay alone: no demo, no simulated provider, no shell. Configuration and keys are mounted; the store is the
# one volume.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --locked --profile dist --no-default-features --bin relais

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/dist/relais /usr/bin/relais
USER 65532:65532
VOLUME /var/lib/relais
EXPOSE 8080
ENTRYPOINT ["/usr/bin/relais"]
CMD ["serve", "--config", "/etc/relais/relais.toml"]
