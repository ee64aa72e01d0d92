/**
 * Which connections of a server carry requests. `server.close()` alone waits for connections that never sent any,
 * and for those that stay open after their answer.
 */
export class Connections {
  /** @type {Map<import("node:net").Socket, Set<import("node:http").ServerResponse>>} */
  #open = new Map();
  #draining = false;

  /** @param {import("node:http").Server} server */
  constructor(server) {
    server.on("connection", (socket) => {
      this.#open.set(socket, new Set());
      socket.once("close", () => this.#open.delete(socket));
    });
    server.on("request", (request, response) => {
      const { socket } = request;
      this.#open.get(socket)?.add(response);
      if (this.#draining) response.setHeader("Connection", "close");
      response.once("close", () => {
        const responses = this.#open.get(socket);
        responses?.delete(response);
        if (this.#draining && responses?.size === 0) socket.end();
      });
    });
  }

  /** How many requests have no complete answer yet. */
  get requests() {
    let sum = 0;
    for (const responses of this.#open.values()) sum += responses.size;
    return sum;
  }

  /** Close what carries no request, and everything else after its answer. */
  drain() {
    this.#draining = true;
    for (const [socket, responses] of this.#open) {
      if (responses.size === 0) socket.destroy();
      for (const response of responses) {
        if (!response.headersSent) response.setHeader("Connection", "close");
      }
    }
  }

  /** Close everything now. */
  cut() {
    for (const socket of this.#open.keys()) socket.destroy();
  }
}
