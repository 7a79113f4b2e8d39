import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { raw, type Script } from '../../../src/shell/script.ts'
import { glob, hereDocument, join, sh } from '../../../src/shell/sh.ts'

const run = (script: Script): string => {
  const { stdout, stderr, status } = spawnSync('dash', ['-s'], { input: String(script), encoding: 'utf8', env: { LC_ALL: 'C' } })
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
  return stdout
}

/** Words for a shell: special characters, reserved words, digits, any text. */
const word = fc.oneof(
  fc.string({ unit: fc.constantFrom(...'$`"\'\\!#&|;<>(){}[]*?~=%-+,:/ \t\na1') }),
  fc.constantFrom('', 'if', 'esac', 'A=b', '2', '-n', '$(exit 1)', "'", '\\', 'END', '\nEND\n'),
  fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\0', '')),
)
const args = 'args() { for one do printf \'%s\\0\' "$one"; done; }\n'
const said = (words: readonly string[]): string => words.map((one) => `${one}\0`).join('')

describe('values in dash', () => {
  test('a string is one word, and a list as many words as it holds', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(word, fc.array(word))), (pairs) => {
        const calls = pairs.map(([one, list]) => sh`args ${one} ${list} --x=${one}/${one}`)
        expect(run(sh`${raw(args)}${calls}`)).toBe(pairs.map(([one, list]) => said([one, ...list, `--x=${one}/${one}`])).join(''))
      }),
      { numRuns: 60 },
    )
  })

  test('inside substitutions, parameters and patterns', () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1 }), (words) => {
        const calls = words.map(
          (one) => sh`args "$(printf '%s.' ${one})"
x=\${none-${one}}; args "$x"
case ${one} in ${one}) args same ;; *) args other ;; esac`,
        )
        expect(run(sh`${raw(args)}${calls}`)).toBe(words.map((one) => said([`${one}.`, one, 'same'])).join(''))
      }),
      { numRuns: 60 },
    )
  })

  test('a word that is an assignment or reserved is a command where a command begins', () => {
    const { stderr } = spawnSync('dash', ['-c', String(sh`${'A=b'}; ${'if'}; true && ${['esac', 'x']}; X=1 Y="a b" ${'A=b'}`)], {
      encoding: 'utf8',
    })
    expect(stderr).toBe('dash: 1: A=b: not found\ndash: 1: if: not found\ndash: 1: esac: not found\ndash: 1: A=b: not found\n')
  })

  test('digits do not become a file descriptor', () => {
    expect(run(sh`echo ${2}>&1; echo ${'1'}>&1`)).toBe('2\n1\n')
    expect(String(sh`echo x ${2}>&1`)).toBe("echo x '2'>&1")
  })

  test('a here-document holds any text', () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1 }), (texts) => {
        const calls = texts.map((text) => sh`cat ${hereDocument(text)}`)
        expect(run(sh`${calls}`)).toBe(texts.map((text) => (text === '' || text.endsWith('\n') ? text : `${text}\n`)).join(''))
      }),
      { numRuns: 60 },
    )
  })

  test.each(['E\u0309', 'EN\u0309', 'END\u0309', 'END\nE\u0309', 'EÄ\nAÄ\nB'])('a here-document loses no byte of %j', (text) => {
    expect(run(sh`cat ${hereDocument(text)}`)).toBe(`${text}\n`)
  })

  test('a pattern expands to the paths that match', () => {
    expect(String(glob('/proc/sys/net/*/a b'))).toBe("/proc/sys/net/*'/a b'")
    expect(run(sh`printf '%s\n' ${glob('/proc/self/statu*')}`)).toBe('/proc/self/status\n')
  })
})

describe('scripts', () => {
  const unit = 'my unit.service'

  test('plain words stay as they are', () => {
    expect(String(sh`systemctl start -- ${'nginx.service'} ${unit}`)).toBe("systemctl start -- nginx.service 'my unit.service'")
  })

  test('an empty list is nothing, and an empty string an empty word', () => {
    expect(String(sh`a ${[]} b ${''}`)).toBe("a  b ''")
  })

  test('a script is inserted as it is, and a list of scripts line by line', () => {
    const start = sh`start ${unit}`
    expect(String(sh`${start} && ${start}`)).toBe("start 'my unit.service' && start 'my unit.service'")
    expect(String(sh`${[start, sh`stop`]}`)).toBe("start 'my unit.service'\nstop")
    expect(String(sh`x="$(${start})"`)).toBe('x="$(start \'my unit.service\')"')
  })

  test('text of others is inserted only by name', () => {
    expect(String(sh`x ${raw('$a')} "${raw('$b')}"`)).toBe('x $a "$b"')
  })

  test('values are joined by a separator', () => {
    expect(String(join(sh`|`, ['a', 'b c']))).toBe("a|'b c'")
    expect(String(join(sh` && `, [sh`one`, sh`two`]))).toBe('one && two')
    expect(String(join(sh`|`, []))).toBe('')
  })

  test('a number may be in quotes', () => {
    expect(String(sh`echo "$x.${1}" 'head ${2}' $(( x + ${3} ))`)).toBe(`echo "$x.1" 'head 2' $(( x + 3 ))`)
  })
})

describe('mistakes', () => {
  const x = 'a value'
  const mistakes: Readonly<Record<string, [() => Script, RegExp]>> = {
    'in single quotes': [() => sh`echo 'a ${x}'`, /is inside single quotes: "echo 'a "/],
    'in double quotes': [() => sh`echo "a ${x}"`, /is inside double quotes/],
    'in double quotes after a substitution': [() => sh`echo "$(cat "$a") ${x}"`, /is inside double quotes/],
    'in double quotes in a substitution': [() => sh`echo "$(cat "${x}")"`, /is inside double quotes/],
    'in a parameter in double quotes': [() => sh`echo "\${a:-${x}}"`, /is inside braces/],
    'in backticks': [() => sh`x=\`echo ${x}\``, /is inside backticks/],
    'in a substitution in backticks': [() => sh`x=\`echo "$(echo ${x})"\``, /is inside backticks/],
    'in a comment': [() => sh`true # ${x}`, /is inside comment/],
    'in a here-document': [() => sh`cat <<END\n${x}\nEND\n`, /is inside here-document/],
    'in a quoted here-document': [() => sh`cat <<'E'; cat <<-F\nE\n\t${x}\n\tF\n`, /is inside here-document/],
    'in arithmetic': [() => sh`echo $((1 << ${x}))`, /is inside arithmetic/],
    'a script in quotes': [() => sh`sh -c '${sh`true`}'`, /is inside single quotes/],
    'after a backslash': [() => sh`echo \\${x}`, /joined to the characters before it/],
    'after a dollar sign': [() => sh`echo $${'a'}`, /part of the variable before it/],
    'after a variable': [() => sh`echo $w${'a'}`, /part of the variable before it/],
    'text after a here-document': [() => sh`cat ${hereDocument('x')} | cat`, /ends its line/],
    'text after a comment': [() => sh`${sh`true # so`}; false`, /ends its line/],
    'open single quotes': [() => sh`echo 'a`, /ends in single quotes/],
    'open double quotes': [() => sh`echo "$(a "b)"`, /ends in/],
    'an open here-document': [() => sh`cat <<END\nx`, /ends in here-document/],
    'no value': [() => sh`echo ${undefined as never}`, /is undefined: "echo "/],
    'no value in a list': [() => sh`echo ${['a', undefined as never]}`, /is undefined/],
    'a boolean': [() => sh`echo ${true as never}`, /of type boolean/],
    'an object': [() => sh`echo ${{} as never}`, /of type object/],
    'no number': [() => sh`echo ${Number.NaN}`, /is NaN/],
    'a NUL byte': [() => sh`echo ${'a\0'}`, /NUL byte/],
    'scripts among words': [() => sh`echo ${['a', sh`b`] as never}`, /of type object/],
  }
  test.each(Object.entries(mistakes))('%s', (_, [build, message]) => {
    expect(build).toThrow(message)
    expect(build).toThrow(TypeError)
  })
})

describe('positions outside of quotes', () => {
  const x = 'a b'
  const scripts: readonly Script[] = [
    sh`echo "\${a#"b"}" ${x}`,
    sh`echo \\' ${x} \\"`,
    sh`echo $# ${x} a#b ${x}`,
    sh`case $x in a) echo ${x} ;; esac`,
    sh`echo "$(case $x in a) echo ${x} ;; b) echo ;; esac)" ${x}`,
    sh`cat <<A <<'B'
'
A
"
B
echo ${x}`,
    sh`echo $((1 << 2)) ${x} # it's a comment
echo ${x}`,
    sh`f() { echo "\${x%\\}}"; }; echo $((2 * (3 + 4))) ${x}`,
    sh`echo \`echo "it's"\` ${x}`,
    sh`echo $$ ${x} "$$"${x}`,
    sh`echo \\$${x}`,
  ]
  test.each(scripts.map((script) => [String(script), script] as const))('%s', (_, script) => {
    expect(spawnSync('dash', ['-n', '-s'], { input: String(script), encoding: 'utf8' }).stderr).toBe('')
    expect(String(script)).toContain("'a b'")
  })
})
