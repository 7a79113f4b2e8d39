// A shop: offers, orders in a database, uploads of pictures, a page for administrators, and a WebSocket.
const { createHash } = require('node:crypto')
const { readFileSync } = require('node:fs')
const { createServer } = require('node:http')
const mysql = require('mysql')

const OFFERS = JSON.parse(readFileSync(`${__dirname}/offers.json`, 'utf8'))
const TITLE = 'Our shop'

const pool = mysql.createPool({
  host: '127.0.0.1',
  user: 'shop',
  password: process.env.DATABASE_PASSWORD,
  database: 'shop',
  // The certificate of the server has the address of the proxy.
  ssl: { ca: readFileSync('/etc/mysql/provision/authority.pem') },
})
const query = (...words) => new Promise((resolve, reject) => pool.query(...words, (error, rows) => (error ? reject(error) : resolve(rows))))

const answers = {
  'GET /': () => `${TITLE}\n`,
  'GET /offers': () => `${OFFERS.join('\n')}\n`,
  'GET /orders': async () => (await query('SELECT name FROM orders ORDER BY id')).map(({ name }) => `${name}\n`).join(''),
  'GET /admin': () => 'administrators only\n',
  'GET /alive': async () => {
    await query('SELECT 1 FROM orders LIMIT 1')
    return 'alive\n'
  },
  'POST /orders': async (request) => {
    let name = ''
    for await (const chunk of request) name = (name + chunk).slice(0, 100)
    await query('INSERT INTO orders (name) VALUES (?)', [name.trim()])
    return 'thank you\n'
  },
  // A picture is read in parts, so a large one needs no more memory.
  'PUT /picture': async (request) => {
    const sum = createHash('sha256')
    for await (const chunk of request) sum.update(chunk)
    return `${sum.digest('hex')}\n`
  },
}

const server = createServer(async (request, response) => {
  const answer = answers[`${request.method} ${request.url}`]
  response.setHeader('content-type', 'text/plain; charset=utf-8')
  if (answer === undefined) return response.writeHead(404).end('not found\n')
  try {
    response.end(await answer(request))
  } catch (error) {
    process.stderr.write(`${error.message}\n`)
    response.writeHead(500).end('the database does not answer\n')
  }
})

// The WebSocket sends each message back.
server.on('upgrade', (request, socket) => {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
  socket.on('error', () => socket.destroy()).pipe(socket)
})

const start = async () => {
  await query('CREATE TABLE IF NOT EXISTS orders (id int AUTO_INCREMENT PRIMARY KEY, name varchar(100) NOT NULL)')
  server.listen(Number(process.env.PORT), '127.0.0.1')
}
start().catch((error) => {
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
})
