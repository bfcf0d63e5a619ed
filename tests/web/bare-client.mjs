// A conversation by the bare socket.io-client, as a shop's own code would have it: prints what came, as JSON.
// node bare-client.mjs ADDRESS TRANSPORT QUESTION [ORIGIN]
import { io } from 'socket.io-client';

const [address, transport, question, origin] = process.argv.slice(2);
const events = [];
const socket = io(address, {
  transports: [transport],
  reconnection: false,
  extraHeaders: origin ? { Origin: origin } : {},
});
const end = (trouble) => {
  console.log(JSON.stringify({ events, transport: socket.io.engine?.transport.name, trouble }));
  process.exit(0);
};
setTimeout(end, 20_000, 'nothing came');
socket.on('connect_error', (error) => end(error.message));
socket.on('connect', () => socket.emit('session_request', { session_id: null }));
socket.on('session_confirm', (session) => {
  events.push(['session_confirm', session]);
  socket.emit('user_uttered', { message: question, session_id: session });
});
socket.on('bot_uttered', (message) => {
  events.push(['bot_uttered', message]);
  end();
});
