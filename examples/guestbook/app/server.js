// GET / lists the guests; POST / with a name as its body adds one; GET /health asks the database.
const { createServer } = require('node:http')
const { Pool } = require('pg')

const pool = new Pool()
const TITLE = 'Guests'

const answers = {
  'GET /': async () => {
    const { rows } = await pool.query('SELECT name FROM entries ORDER BY id')
    return `${TITLE}\n${rows.map(({ name }) => `${name}\n`).join('')}`
  },
  'POST /': async (body) => {
    await pool.query('INSERT INTO entries (name) VALUES ($1)', [body.trim().slice(0, 100)])
    return 'welcome\n'
  },
  'GET /health': async () => {
    await pool.query('SELECT 1 FROM entries LIMIT 1')
    return 'healthy\n'
  },
}

createServer(async (request, response) => {
  const answer = answers[`${request.method} ${request.url}`]
  response.setHeader('content-type', 'text/plain; charset=utf-8')
  if (answer === undefined) return response.writeHead(404).end('not found\n')
  try {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    response.end(await answer(Buffer.concat(chunks).toString()))
  } catch (error) {
    process.stderr.write(`${error.message}\n`)
    response.writeHead(500).end('the database does not answer\n')
  }
}).listen(Number(process.env.PORT), '127.0.0.1')
